// Models whose file declares one size, though their graph has none.
#include "upscale/reach.h"

namespace tessera::upscale {
namespace {

/// Does each pixel follow from those around it, and from means of the whole picture?
bool is_alike_everywhere(const Reach& reach) { return reach.followed && !reach.global && reach.stretches.empty(); }

}  // namespace

std::unique_ptr<Upsampler> with_open_sizes(std::unique_ptr<Upsampler> model) {
  const List<Port> inputs = model->inputs();
  if (inputs.size() != 1 || !inputs[0].ranked) return model;
  try {
    const std::optional<Convention> declared = form_of(*model);
    if (!declared || (!declared->fixed_width && !declared->fixed_height)) return model;
    // Cheaper to ask than to open, and what sees everything was made for its own size.
    const Reach of_declared = follow(*model, *declared);
    if (!is_alike_everywhere(of_declared)) return model;
    Type type = inputs[0].type;
    for (const int axis : {declared->in.y, declared->in.x}) type.shape[static_cast<size_t>(axis)] = -1;
    std::unique_ptr<Upsampler> open = model->with_input(type);
    const std::optional<Convention> form = open ? form_of(*open) : std::nullopt;
    if (!form || form->in.channel != declared->in.channel || form->channels != declared->channels ||
        form->output != declared->output)
      return model;
    const Reach reach = follow(*open, *form);
    const bool same = is_alike_everywhere(reach) && reach.radius == of_declared.radius &&
                      reach.pools.size() == of_declared.pools.size();
    return std::move(same ? open : model);
  } catch (const Error& error) {
    if (!tells_of_model(error)) throw;
    return model;
  }
}

}  // namespace tessera::upscale
