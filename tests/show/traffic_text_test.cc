#include "show/traffic_text.h"

#include <gmock/gmock.h>

namespace sluice::show {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Way = wire::Path::Way;

constexpr int64_t kMegabyte = int64_t{1} << 20;

TEST(TrafficTextTest, SaysHowMuchWentWhichWay) {
  EXPECT_THAT(traffic_lines({{.server = 0,
                              .path = {Way::kSharedMemory, ""},
                              .exchanges = 100,
                              .seconds = 0.25,
                              .sent_bytes = 400 * kMegabyte,
                              .received_bytes = 404 * kMegabyte}}),
              ElementsAre("shared memory: 400.00 MB sent, 404.00 MB received, "
                          "100 exchanges of 2.5 ms"));
  EXPECT_THAT(traffic_lines({{.server = 0,
                              .path = {Way::kTcp, ""},
                              .exchanges = 1,
                              .seconds = 3,
                              .sent_bytes = kMegabyte,
                              .received_bytes = kMegabyte,
                              .saved_bytes = 6 * kMegabyte}}),
              ElementsAre("TCP: 1.00 MB sent, 1.00 MB received, 6.00 MB saved by compression, "
                          "1 exchange of 3.0 s"));
}

TEST(TrafficTextTest, AnExchangeIsWithAllServersAtOnce) {
  const wire::Traffic one{0, {Way::kTcp, ""}, 10, 1, kMegabyte, kMegabyte, 0};
  const wire::Traffic other{1, {Way::kTcp, ""}, 10, 2, kMegabyte, kMegabyte, 0};
  EXPECT_THAT(traffic_lines({one, other}),
              ElementsAre("TCP: 2.00 MB sent, 2.00 MB received, 10 exchanges of 200 ms"));
}

TEST(TrafficTextTest, HintsAreSaidOnce) {
  const wire::Traffic one{0, {Way::kUnixSocket, "do this\x1b"}, 1, 0.001, 8, 8, 0};
  wire::Traffic other = one;
  other.server = 1;
  EXPECT_THAT(traffic_lines({one, other}),
              ElementsAre("Unix socket: 16.00 B sent, 16.00 B received, 1 exchange of 1 ms",
                          "hint: do this?"));
  EXPECT_THAT(traffic_lines({wire::Traffic{}}), IsEmpty());
}

}  // namespace
}  // namespace sluice::show
