// Tiler: a picture through a model, window by window.
#pragma once

#include <functional>
#include <mutex>

#include "upscale/hands.h"
#include "upscale/knowledge.h"
#include "upscale/picture.h"
#include "upscale/rows.h"
#include "upscale/seams.h"
#include "upscale/tiling.h"

namespace tessera::upscale {

struct TilerOptions {
  double scale = 0;                     ///< of the result; 0: the model's own
  int64_t tile = 0;                     ///< input pixels a side that a window adds; 0: as memory allows
  int64_t overlap = -1;                 ///< -1: the receptive field, up to `overlap_cap`
  int64_t memory = 0;                   ///< bytes that one run may take; 0: from what the machine has free
  bool test_time_augmentation = false;  ///< mean over the 8 turned and mirrored versions
  bool alpha_by_model = true;           ///< false: bicubic
  bool linear = false;                  ///< the filter that makes the exact size mixes light, not samples
  bool verify_tiles = false;            ///< also run the whole picture and compare
  int at_once = 1;                      ///< runs at once on the CPU
  ConventionOptions convention;         ///< what is known of the model
};

/// The largest difference, in 0..1, of a mean over a small square from the picture's, and where that is.
struct Drift {
  double off = 0;
  int64_t x = 0, y = 0;
};

/// What was done to one picture.
struct Report {
  int64_t windows = 0, window_width = 0, window_height = 0;
  double model_seconds = 0;
  double tile_difference = -1;  ///< max |tiled - whole| in 0..1; -1: not asked for
  bool varied = false;          ///< the pixels of some window are known to differ
  Drift drift;
  float seam = 0;  ///< max difference, in 0..1, of two tiles where they meet
  std::vector<std::string> notes;
};

/// What a result is to be.
struct Wanted {
  int64_t width = 0, height = 0;
  int bits = 8;
  Region part = {};  ///< all that is made of it, with the bits that it has in the whole; no width: all of it

  bool partial() const { return part.width > 0 && part != Region{0, 0, width, height}; }
};

class Tiler {
 public:
  static constexpr int64_t overlap_cap = 48;    ///< where the exact one would cost too much
  static constexpr int64_t overlap_guess = 32;  ///< where the graph does not tell

  /// Asks the model for its convention. Throws Error::unsupported if it is no upscaler.
  Tiler(const Upsampler& model, const TilerOptions& options, const std::atomic<bool>* cancel = nullptr);
  Tiler(std::shared_ptr<Hand> hand, const TilerOptions& options, const std::atomic<bool>* cancel = nullptr);

  /// One more device for the windows of pictures.
  void add(std::shared_ptr<Hand> hand);
  /// Who takes over from a device that fails.
  void set_successor(Hands::Successor successor);
  /// Pictures at once that keep all devices busy.
  int at_once() const { return hands_.at_once(); }

  const Convention& convention() const { return convention_; }
  const Knowledge& knowledge() const { return knowledge_; }
  /// What is known before there is anything to divide.
  const Reach& reach() const { return reach_; }
  /// The reach to divide pictures by: measured at its first use where the graph does not tell.
  const Reach& settled_reach() const;
  int64_t overlap_of(const Reach& reach) const;
  int64_t overlap() const { return overlap_of(reach_); }
  double scale() const { return options_.scale > 0 ? options_.scale : static_cast<double>(convention_.scale); }
  /// What one pass of the model over a picture takes: its windows, and bytes of one run of the largest device.
  struct Forecast {
    int64_t windows = 0, window_width = 0, window_height = 0, run_bytes = 0;
  };
  Forecast forecast(int64_t width, int64_t height) const;
  /// Bytes of this machine's memory that a picture takes on its way to what is wanted, beside what holds all of it at
  /// either end: rows, windows, and what the rounds hold between them.
  int64_t bytes_for(const Frame& frame, const Wanted& wanted) const;
  /// Extent of the result along an axis.
  int64_t scaled(int64_t extent) const;

  /// The picture at `scale()` with its metadata. Throws Error::device if the model gives values
  /// that are no picture: not finite, or all the same for a picture that is not.
  Picture upscale(const Picture& picture, Report& report, const Progress& progress = {}) const;
  /// The same at any size and depth, by as many rounds as come nearest, then by a filter.
  Picture upscale(const Picture& picture, const Wanted& wanted, Report& report, const Progress& progress = {}) const;
  /// The same row by row: of either picture some rows of windows are in memory at once. A source is read twice where
  /// something has to be known of the whole picture, and a sink begins again where devices or memory failed.
  void upscale(RowSource& source, RowSink& sink, const Wanted& wanted, Report& report,
               const Progress& progress = {}) const;

 private:
  /// Which of a picture's channels go through the model together.
  enum class Group { color, alpha };
  struct Windows {
    std::vector<Span> x, y;
    /// Those that are computed.
    size_t first_column = 0, end_column = SIZE_MAX, first_row = 0, end_row = SIZE_MAX;

    size_t columns() const { return std::min(end_column, x.size()) - first_column; }
    size_t rows() const { return std::min(end_row, y.size()) - first_row; }
    bool all() const { return columns() == x.size() && rows() == y.size(); }
    bool has_row(size_t row) const { return row >= first_row && row < end_row; }
    /// Only what makes a part of the result. Gives the part of the picture that it reads.
    Region select(const Region& part, int64_t scale, const Frame& frame);
  };
  /// What windows are told of the whole picture: its means, and where its stretched grids lie; and the model that wants
  /// to be told.
  struct Told {
    const Upsampler* last = nullptr;
    std::vector<Tensor> means = {};
    std::vector<Stretch> whole = {}, window = {};  ///< for the picture, for a window alone
  };
  /// The model cut at its pools: one part up to each stage of them, and the last one.
  struct Parts {
    std::vector<std::unique_ptr<Upsampler>> stages;
    std::unique_ptr<Upsampler> last;
  };
  /// What a model made of a window: planes of floats, or pixels as they are stored.
  struct Answer {
    int64_t width = 0, height = 0;
    int samples = 0;  ///< of a pixel, or planes
    std::vector<float> planes;
    Tensor pixels;
    PixelFacts facts;
    /// A sample as it is stored, in 0..1.
    float at(int sample, int64_t x, int64_t y) const;
    void add_means(int sample, int64_t x, int64_t y, int64_t count, std::vector<double>& sums) const;
    /// A part of the planes.
    std::vector<float> part(const Region& region) const;
  };
  using Ends = std::optional<PixelEnds>;
  /// One pass of the model over a picture.
  struct Round {
    int bits = 8;               ///< of its result
    bool alpha_varies = false;  ///< so that the model has something to do with it
    int64_t area = 0;           ///< pixels of its windows; 0: as the options say, and the memory there is
    Windows windows = {};
  };
  /// What of a window's answer is kept, and where the result has it.
  struct Place {
    Region kept, out;
  };
  Place place_of(const Span& x, const Span& y) const;

  /// For the whole picture at once, `tiles` for parts of it.
  AxisRules rules(bool horizontal, bool tiles) const;
  /// Windows of about `area` pixels; 0: as the options say, and the memory there is.
  Windows plan(int64_t width, int64_t height, int64_t area) const;
  /// Pixels of the largest window that `budget` bytes allow; 0: the memory that there is, of which `comfortable` is
  /// as much as windows gain from.
  int64_t largest_area(int64_t width, int64_t height, int64_t budget, bool comfortable) const;
  int64_t comfortable_area(int64_t width, int64_t height) const;
  int64_t area_for(const Hand& hand, int64_t width, int64_t height, int64_t budget) const;
  bool gives_colors() const { return convention_.channels == 1 && convention_.out_channels == 3; }
  /// Tells of tiles that differ visibly where they meet, or from what larger ones give.
  void note_seams(RowSource& source, const Windows& windows, Report& report) const;
  /// The largest difference, in 0..1, of a tile in the middle from a larger one around it.
  float sample_difference(RowSource& source, const Windows& windows) const;
  /// Thrown where a picture is to be done again, by other hands or in windows of `area` pixels.
  struct Again {
    int64_t area = 0;
  };
  std::vector<Round> rounds_for(const Frame& frame, const Wanted& wanted, bool& resized) const;
  /// Of one round: what windows that run at once take, and the rows that come and go.
  int64_t run_bytes_for(const Frame& frame, const Round& round) const;
  int64_t row_bytes_for(const Frame& frame, const Round& round) const;
  void plan_rounds(const Frame& frame, const Wanted& wanted, bool resized, std::vector<Round>& rounds) const;
  void run_rounds(RowSource& source, RowSink& sink, const std::vector<Round>& rounds, Report& report,
                  const Progress& progress) const;
  void once(RowSource& source, RowSink& sink, const Round& round, Report& report, const Progress& progress) const;
  /// Whether rounds run at once, so that rows between them need not all be held.
  bool pass_rows_on(const std::vector<Round>& rounds) const;
  Frame result_of(const Frame& frame, int bits) const;
  /// Tells who failed, and what is done instead: smaller windows, or other devices. Throws Error::memory where there is
  /// nothing left to try.
  Again lack_memory(const Frame& frame, const std::string& reason, Report& report) const;
  void see_where(Hand& hand) const;
  bool lose_devices(const std::string& reason, Report& report) const;
  struct Share;
  struct Item;
  void share_windows(RowSource& source, RowSink& sink, const Round& round, Report& report,
                     const Progress& progress) const;
  void read(Share& share) const;
  void work(Share& share) const;
  void write(Share& share) const;
  void run_item(Share& share, const Item& item, Hands::Loan& loan) const;
  void finish_row(Share& share, size_t row) const;
  /// Windows of colors one after the other, through floats.
  using Taker = std::function<void(const Answer& answer, const Place& place)>;
  void each_window(const Rows& picture, const Windows& windows, const Told* told, Report& report,
                   const Taker& take) const;
  /// The ends with which a group goes through the model as pixels; none where it has to go as floats.
  Ends ends_of(const Frame& picture, Group group, const Frame& result) const;
  Answer answer(const Hand& hand, const Rows& picture, Group group, const Ends& ends, const Region& window,
                const Told* told, const Progress& progress) const;
  Answer run_pixels(const Hand& hand, const Rows& picture, Group group, const PixelEnds& ends, const Region& window,
                    const Progress& progress) const;
  /// Why a device's answer is not to be trusted; empty where it is. `sampled`: even where nothing seems to be wrong.
  std::string doubt(const Hand& hand, const Rows& picture, Group group, const Ends& ends, const Region& window,
                    const Answer& answer, bool sampled, Drift& drift) const;
  Drift drift_of(const Rows& picture, Group group, const Region& window, const Answer& answer) const;
  /// Tells of a drift that is none of an upscaler's.
  void note_drift(Report& report) const;
  float distance(const Hand& hand, const Hand& judge, const Rows& picture, Group group, const Ends& ends,
                 const Region& window, const Answer& answer, const Drift* at) const;
  Region sample_of(const Rows& picture, Group group, const Region& window, bool whole) const;
  static void store_pixels(Group group, const Answer& answer, const Place& place, Rows& result);
  void fetch(const Rows& picture, Group group, const Region& window, float* planes) const;
  void store(const Rows& picture, Group group, const Resampler* chroma, const std::vector<float>& planes,
             const Region& out, Rows& result) const;
  double verify(RowSource& source, const Windows& windows, Report& report) const;
  /// Planes in, planes out: whole window results, cropped to `lost` output pixels at every side. `given`: what a part
  /// wants beside the picture.
  void run_window(const Upsampler& model, const float* planes, int64_t width, int64_t height, List<Tensor> given,
                  std::vector<float>& out, const Progress& progress) const;
  void run_model(const Upsampler& model, const float* planes, int64_t width, int64_t height, List<Tensor> given,
                 std::vector<float>& out, const Progress& progress) const;
  Tensor model_input(const float* planes, int64_t width, int64_t height) const;
  /// The model's channel for one of ours.
  int64_t place(int64_t channel, int64_t channels) const;

  /// What tiles have to be told of the whole picture to agree with it.
  bool wants_whole() const { return !reach_.pools.empty() || !reach_.stretches.empty(); }
  bool tells_windows() const { return wants_whole() && !options_.test_time_augmentation; }
  bool sees_all() const { return settled_reach().global || (wants_whole() && !tells_windows()); }
  const Parts& parts() const;
  /// Runs every window once for each stage of pools.
  Told look_at_whole(RowSource& source, Group group, const Windows& windows, Report& report,
                     const Progress& progress) const;
  void pool_over(RowSource& source, Group group, const Windows& windows, size_t stage, Told& told, Report& report,
                 const std::function<void()>& step) const;
  /// What a window is told, in the order of the part's inputs.
  std::vector<Tensor> given(const Told& told, const Region& window) const;

  std::shared_ptr<Hand> first_;
  const Upsampler& model_;
  TilerOptions options_;
  Knowledge knowledge_;
  Convention convention_;
  Reach reach_;
  mutable Reach measured_;
  mutable std::once_flag measure_, cut_;
  mutable Parts parts_;
  mutable Hands hands_;
  Recycler pixels_{4}, strips_{8};
  const std::atomic<bool>* cancel_;
};

}  // namespace tessera::upscale
