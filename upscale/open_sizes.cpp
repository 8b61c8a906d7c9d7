// Models whose file declares one size, though their graph has none.
#include "upscale/reach.h"

namespace tessera::upscale {
namespace {

bool has_local_reach(const Reach& reach) {
  return reach.followed && !reach.global && reach.pools.empty() && reach.stretches.empty();
}

}  // namespace

std::unique_ptr<Upsampler> with_open_sizes(std::unique_ptr<Upsampler> model) {
  const List<Port> inputs = model->inputs();
  if (inputs.size() != 1 || !inputs[0].ranked) return model;
  try {
    const std::optional<Convention> declared = form_of(*model);
    if (!declared || (!declared->fixed_width && !declared->fixed_height)) return model;
    // Cheaper to ask than to open, and what sees everything was made for its own size.
    const Reach of_declared = follow(*model, *declared);
    if (!has_local_reach(of_declared)) return model;
    Type type = inputs[0].type;
    for (const int axis : {declared->in.y, declared->in.x}) type.shape[static_cast<size_t>(axis)] = -1;
    std::unique_ptr<Upsampler> open = model->with_input(type);
    const std::optional<Convention> form = open ? form_of(*open) : std::nullopt;
    if (!form || form->in.channel != declared->in.channel || form->channels != declared->channels ||
        form->output != declared->output)
      return model;
    const Reach reach = follow(*open, *form);
    return has_local_reach(reach) && reach.radius == of_declared.radius ? std::move(open) : std::move(model);
  } catch (const Error& error) {
    if (!tells_of_model(error)) throw;
    return model;
  }
}

}  // namespace tessera::upscale
