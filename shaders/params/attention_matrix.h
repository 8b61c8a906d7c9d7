#pragma once
#include "shaders/params/attention.h"
