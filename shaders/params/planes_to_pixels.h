#pragma once
#include "shaders/params/pixels.h"
