// Matrices that a subgroup owns together. Their shape is the device's; the tool that compiles shaders writes them as
// VK_KHR_cooperative_matrix wants them. The three operands of a product differ in their constants, as it asks.
// A shader that includes this has enabled the extensions, and taken constants 0 to 3 for this.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint matrix_m = 16;
layout(constant_id = 2) const uint matrix_n = 16;
layout(constant_id = 3) const uint matrix_k = 16;

#define MatrixA fcoopmatNV<16, gl_ScopeSubgroup, matrix_m, matrix_k>
#define MatrixB fcoopmatNV<16, gl_ScopeSubgroup, matrix_k, matrix_n>
#define MatrixSum fcoopmatNV<32, gl_ScopeSubgroup, matrix_m, matrix_n>
#define MatrixOut fcoopmatNV<16, gl_ScopeSubgroup, matrix_m, matrix_n>

// Item i of a list of pixels of 8 halves twice: its pixel, and which half of a block of 16 channels. Eight neighbours
// hold the same half of eight pixels, so that they meet in no bank of shared memory; 16 cover whole blocks.
uint pixel_of(uint i) { return i / 16u * 8u + i % 8u; }
uint half_of(uint i) { return i / 8u % 2u; }
