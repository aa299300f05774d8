// The batches that an import still has to load, cut and planned as they are needed.
// Shape:   first what an earlier run has planned and not done, so that a batch that failed is seen to at once. Then, behind
//          the planned part of each input, new batches are cut, planned in the ledger, and given out. When nothing is left
//          to be cut, what is not done yet is read again and given out until the ledger says that all is done: batches that
//          other loaders held, or held when they died. A pipe cannot be read twice: its planned part is read first,
//          compared with what was planned, and given out on the way.
// Windows: where records are regrouped by time (time_windows.hpp), a window is cut and all of its slices are planned before
//          the first is given out. One that was planned before is read again once for all of its slices that are open,
//          whether this run regroups or not. Of several loaders that fill the same window one plans it; another one drops
//          what is planned and cuts only what lies behind, so that no loader reads anything twice to plan it.
// Owns:    the reader of the input it is at. Borrows the ledger, which only this feed uses while it lives.
// Memory:  two windows as time_windows.hpp says, or one that is read again, as large as it was planned.
// Threads: one, the reader's.
// Errors:  as batch_feed.hpp and import_ledger.hpp; input: the bytes are not those that were planned.
#pragma once

#include "hypercopy/batch_feed.hpp"
#include "hypercopy/import_ledger.hpp"
#include "hypercopy/time_windows.hpp"

namespace hypercopy {

// `windows`: of inputs that name a field to regroup by (InputFile::regroup_by); without memory none is regrouped. Its kernel
// reads all windows.
[[nodiscard]] FeedOpener import_feed(ImportLedger& ledger, InputOpener open_input, std::size_t inputs,
                                     const WindowOptions& windows);

}  // namespace hypercopy
