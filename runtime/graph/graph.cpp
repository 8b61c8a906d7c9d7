#include "runtime/graph/graph.h"

namespace tessera {

const Attr* find_attr(const Attrs& attrs, Text name) {
  for (const auto& [key, value] : attrs)
    if (key == name) return &value;
  return nullptr;
}

}  // namespace tessera
