// AEASGD, asynchronous elastic averaging: see elastic.h. Workers step with the job's optimizer.
//
// Dist-Keras: distkeras.trainers.AEASGD, which pulls, and then commits: its centre may have moved
// in between.
#include "algorithm/elastic.h"

namespace sluice::algorithm {
namespace {

constexpr OptionSpec kOptions[] = {window_option(32), moving_rate_option()};

}  // namespace

extern constinit const Algorithm kAeasgd{
    .name = "aeasgd",
    .summary = "elastic averaging: workers explore by themselves, tied to the servers",
    .options = kOptions,
    .answers_with_old = true,
    .worker = make_elastic_worker,
    .server = make_elastic_rule,
};

}  // namespace sluice::algorithm
