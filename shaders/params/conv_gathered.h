#pragma once
#include "shaders/params/matrix_conv.h"
