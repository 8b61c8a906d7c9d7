// Where elements of [N, C, H, W] lie. Strides and extents are those along N, C, H and W. Channels may lie in blocks of
// 16, of which each is [H, W, 16]: then the second stride, which is from one block to the next, or the second extent
// bears a mark.
const uint in_blocks = 0x80000000u;

uint offset_of(uvec4 at, uint strides[4]) {
  uint stride = strides[1];
  uint channel = (stride & in_blocks) != 0u ? at.y / 16u * (stride & ~in_blocks) + at.y % 16u : at.y * stride;
  return at.x * strides[0] + channel + at.z * strides[2] + at.w * strides[3];
}

// The coordinates [n, c, y, x] of element i of a tensor. One whose channels lie in blocks counts with those that fill
// the last block: see `is_there`.
uvec4 unravel(uint i, uint extents[4]) {
  uint channels = extents[1], lane = 0u;
  bool blocked = (channels & in_blocks) != 0u;
  if (blocked) {
    channels = ((channels & ~in_blocks) + 15u) / 16u;
    lane = i % 16u;
    i /= 16u;
  }
  uint row = i / extents[3], plane = row / extents[2], channel = plane % channels;
  return uvec4(plane / channels, blocked ? channel * 16u + lane : channel, row % extents[2], i % extents[3]);
}

// Whether the channel is one of the tensor's.
bool is_there(uvec4 at, uint extents[4]) { return at.y < (extents[1] & ~in_blocks); }
