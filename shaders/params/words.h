#pragma once

const uint max_axes = 6;  ///< of a loop over elements of any type

/// Types of elements, as shaders/common/words.glsl reads them: 16 * kind + bytes.
const uint real_kind = 0, signed_kind = 1, natural_kind = 2, truth_kind = 3;
