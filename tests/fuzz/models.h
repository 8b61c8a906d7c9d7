// Small models to begin with: one of every operator that a file may use.
#pragma once

#include "tests/subjects.h"

namespace tessera::test {

/// What examples of one node over tensors cannot show comes first: control flow, sequences, optionals, maps, patterns.
std::vector<Subject> model_subjects();

}  // namespace tessera::test
