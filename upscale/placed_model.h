// A model on every device that was asked for, and on those that take over from one that fails.
#pragma once

#include "upscale/tiler.h"

namespace tessera::upscale {

struct PlaceOptions {
  std::vector<std::string> devices = {"auto"};  ///< as ModelOptions has each
  ModelOptions model;                           ///< what is the same for all
  TilerOptions tiler;
};

class PlacedModel {
 public:
  /// A file or a bundled model, as open_upsampler has them. What is to be said of the devices goes to `notes`.
  PlacedModel(std::string path, PlaceOptions options, const std::atomic<bool>* cancel, std::vector<std::string>& notes);
  /// From memory, which has to last as long as this; `name` is for messages.
  PlacedModel(List<std::byte> bytes, std::string name, PlaceOptions options, const std::atomic<bool>* cancel,
              std::vector<std::string>& notes);

  /// It may be used as long as this lives.
  const std::shared_ptr<Tiler>& tiler() const { return tiler_; }
  /// What messages call it.
  const std::string& name() const { return name_; }
  int64_t weight_bytes() const { return opened_[0].hand->model().weight_bytes(); }
  bool use_a_device() const { return opened_[0].hand->is_device(); }
  /// The devices that it was opened on so far.
  std::vector<std::shared_ptr<const Hand>> hands() const;

 private:
  struct Opened {
    std::shared_ptr<Hand> hand;
    std::string device;
    bool is_cpu = false;
  };
  void place(std::vector<std::string>& notes);
  void open_first(const std::string& device, std::vector<std::string>& notes);
  void add(const Opened& opened);
  Opened open(const std::string& device, const std::string& precision, std::string& note) const;
  std::shared_ptr<Hand> successor(const Hand& hand, Loss loss);
  std::shared_ptr<Hand> on_cpu();

  const PlaceOptions options_;
  const std::string path_;
  const List<std::byte> bytes_;
  const std::string name_;
  const std::atomic<bool>* cancel_;
  std::vector<Opened> opened_;  ///< changed by one thread at a time: see Hands::lose
  std::shared_ptr<Tiler> tiler_;
};

}  // namespace tessera::upscale
