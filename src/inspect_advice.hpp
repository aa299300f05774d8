// What an inspection means for the load: estimates, problems, notes, the command to use.
// Shape:   pure, but for the number of cores of this machine.
#pragma once

#include "hypercopy/inspect.hpp"

namespace hypercopy {

// Fills the target's estimates, and appends to problems and notes; sets the command.
void advise(Inspection& inspection, const InspectOptions& options);

}  // namespace hypercopy
