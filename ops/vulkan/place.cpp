#include "ops/vulkan/place.h"

#include <algorithm>
#include <numeric>

#include "runtime/base/rounding.h"

namespace tessera::vulkan {
namespace {

bool meet(const Placed& a, const Placed& b) { return a.first <= b.last && b.first <= a.last; }

// The lowest offset in a block where `tensor` meets nobody that is there already (sorted by offset).
int64_t lowest_offset(const Placed& tensor, const std::vector<const Placed*>& there, int64_t alignment) {
  int64_t offset = 0;
  for (const Placed* other : there) {
    if (!meet(tensor, *other)) continue;
    if (offset + tensor.bytes <= other->offset) break;
    offset = std::max(offset, round_up(other->offset + other->bytes, alignment));
  }
  return offset;
}

}  // namespace

std::vector<int64_t> place(std::vector<Placed>& tensors, int64_t alignment, int64_t block_limit) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return tensors[a].bytes > tensors[b].bytes; });
  std::vector<std::vector<const Placed*>> blocks;
  std::vector<int64_t> sizes;
  for (const size_t i : order) {
    Placed& tensor = tensors[i];
    for (size_t b = 0; tensor.block < 0; ++b) {
      if (b == blocks.size()) blocks.emplace_back(), sizes.push_back(0);
      const int64_t offset = lowest_offset(tensor, blocks[b], alignment);
      if (offset > 0 && offset + tensor.bytes > block_limit) continue;
      tensor.block = static_cast<int>(b);
      tensor.offset = offset;
      sizes[b] = std::max(sizes[b], offset + tensor.bytes);
      const auto after =
          std::find_if(blocks[b].begin(), blocks[b].end(), [&](const Placed* other) { return other->offset > offset; });
      blocks[b].insert(after, &tensor);
    }
  }
  return sizes;
}

}  // namespace tessera::vulkan
