#include "upscale/placed_model.h"

#include <algorithm>

namespace tessera::upscale {

PlacedModel::PlacedModel(std::string path, PlaceOptions options, const std::atomic<bool>* cancel,
                         std::vector<std::string>& notes)
    : options_(std::move(options)),
      path_(std::move(path)),
      name_(path_.empty() ? std::string(bundled_model({})->name) : path_),
      cancel_(cancel) {
  place(notes);
}

PlacedModel::PlacedModel(List<std::byte> bytes, std::string name, PlaceOptions options, const std::atomic<bool>* cancel,
                         std::vector<std::string>& notes)
    : options_(std::move(options)), bytes_(bytes), name_(std::move(name)), cancel_(cancel) {
  place(notes);
}

void PlacedModel::place(std::vector<std::string>& notes) {
  for (const std::string& device : options_.devices) open_first(device, notes);
  tiler_->set_successor([this](const Hand& hand, Loss loss) { return successor(hand, loss); });
}

std::vector<std::shared_ptr<const Hand>> PlacedModel::hands() const {
  std::vector<std::shared_ptr<const Hand>> hands;
  for (const Opened& opened : opened_) hands.push_back(opened.hand);
  return hands;
}

// A device that fails at once leaves its work to the CPU.
void PlacedModel::open_first(const std::string& device, std::vector<std::string>& notes) {
  std::string note;
  try {
    add(open(device, options_.model.precision, note));
  } catch (const Error& error) {
    if (device == "cpu" || error.kind() != Error::Kind::device) throw;
    note = cat(error.what(), "; running on the CPU");
    std::string ignored;
    add(open("cpu", options_.model.precision, ignored));
  }
  if (!note.empty()) notes.push_back(note);
  if (opened_.size() > 1) return;
  if (const std::string warning = warning_of(tiler_->knowledge()); !warning.empty())
    notes.push_back(cat(name_, ": ", warning));
}

void PlacedModel::add(const Opened& opened) {
  try {
    if (tiler_)
      tiler_->add(opened.hand);
    else
      tiler_ = std::make_shared<Tiler>(opened.hand, options_.tiler, cancel_);
  } catch (const Error& error) {
    if (Text(error.what()).starts_with(name_)) throw;
    throw Error(error.kind(), cat(name_, ": ", error.what()));
  }
  opened_.push_back(opened);
}

PlacedModel::Opened PlacedModel::open(const std::string& device, const std::string& precision,
                                      std::string& note) const {
  ModelOptions options = options_.model;
  options.device = device;
  options.precision = precision;
  options.cpu_takes_over = false;
  Opened opened{nullptr, device, false};
  std::shared_ptr<const Upsampler> model = bytes_.empty()
                                               ? open_upsampler(path_, options, cancel_, note, opened.device)
                                               : open_upsampler(bytes_, name_, options, cancel_, note, opened.device);
  opened.is_cpu = opened.device == "cpu";
  const std::string name = cat(opened.device, model->stores_halves() ? " in fp16" : "");
  opened.hand = std::make_shared<Hand>(name, std::move(model));
  return opened;
}

// Where half precision is wrong, the same device in single precision; else the CPU.
std::shared_ptr<Hand> PlacedModel::successor(const Hand& hand, Loss loss) {
  const auto is = [&](const Opened& opened) { return opened.hand.get() == &hand; };
  const auto own = std::find_if(opened_.begin(), opened_.end(), is);
  if (own == opened_.end() || own->is_cpu) return nullptr;
  const bool again = hand.is_rounded() && loss == Loss::wrong;
  if (again) try {
      std::string ignored;
      opened_.push_back(open(own->device, "fp32", ignored));
      return opened_.back().hand;
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::device && error.kind() != Error::Kind::memory) throw;
    }
  return on_cpu();
}

std::shared_ptr<Hand> PlacedModel::on_cpu() {
  const auto cpu = std::find_if(opened_.begin(), opened_.end(), [](const Opened& opened) { return opened.is_cpu; });
  if (cpu != opened_.end()) return cpu->hand;
  std::string ignored;
  opened_.push_back(open("cpu", options_.model.precision, ignored));
  return opened_.back().hand;
}

}  // namespace tessera::upscale
