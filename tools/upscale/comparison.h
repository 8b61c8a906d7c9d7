// What the model made of a picture, beside what a filter makes of it: as a sheet, and as a page for a browser.
#pragma once

#include "tools/upscale/jobs.h"
#include "upscale/resample.h"

namespace tessera::upscale {

/// A side of what a sheet shows of the source, in its pixels, and how often larger it is shown.
inline constexpr int64_t crop_side = 64, crop_scale = 4;

/// Up to four places where most happens in a picture; all of one size, none over another.
std::vector<Region> busy_places(const Picture& picture);

/// In columns the source (its pixels as squares), bicubic and the result; a row for each of the busy places.
Picture sheet_of(const Picture& source, const Picture& result);
/// One file with all in it: bicubic and result under a slider, then the sheet. `title` is any text.
std::string page_of(const Picture& source, const Picture& result, const std::string& title);

/// Reads both files of a job that is done, and writes OUT.compare.png and OUT.compare.html; gives their names.
std::vector<std::filesystem::path> write_comparison(const Job& job, const DecodeLimits& limits);

}  // namespace tessera::upscale
