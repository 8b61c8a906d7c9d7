#pragma once

const uint pixel_lanes = 128;  ///< invocations of a workgroup

/// Of pixels to planes and of planes to pixels: see ops/pixels.h.
struct PixelParams {
  uint count;                     ///< pixels
  uint words;                     ///< that hold them
  uint pixel_step, channel_step;  ///< of the planes: elements from one pixel, or channel, to the next
  float black[4], factor[4];      ///< of each channel
  int from[4];
};
