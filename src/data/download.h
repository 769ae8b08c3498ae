// Downloads published files into the user's cache.
#pragma once

#include <string>

#include "data/fetcher.h"
#include "data/published.h"
#include "sluice/status.h"

namespace sluice::data {

// $XDG_CACHE_HOME/sluice or ~/.cache/sluice; without a home, a folder of the user's own in /tmp.
std::string cache_folder();

// Whether $SLUICE_OFFLINE forbids the network: set to anything but "" and "0".
bool is_offline();

// Makes the four files of `dataset` be in `folder`, plain, and each with the right SHA-256. Those
// that are there are checked, the others fetched from the first mirror that has them; each appears
// under its name only when it is whole, so several processes may do this at once. Logs what it
// fetches.
//
// DATA_LOSS: a file in the folder is damaged. UNAVAILABLE: no mirror gave a file; one line per
// mirror. Any other code: the folder cannot be written.
Result<PublishedPaths> download(const PublishedDataset& dataset, const std::string& folder,
                                Fetcher& fetcher);

// The same without a network: the files if all are in the folder, nullopt if not.
Result<std::optional<PublishedPaths>> find_downloaded(const PublishedDataset& dataset,
                                                      const std::string& folder);

}  // namespace sluice::data
