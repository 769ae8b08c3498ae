// A worker for tests of shared memory.
//
//   memory_worker_program MACHINE NAME KEY KEY FLOATS        exchanges over standard input
//   memory_worker_program MACHINE NAME KEY KEY user N        knocks as user N, and pushes at the
//   door memory_worker_program MACHINE NAME KEY KEY network       knocks from another network
//
// Knocking prints why it failed. Exchanging ends with status 3 where values are not as they should.
#include <sched.h>
#include <stdio.h>

#include <algorithm>
#include <string>

#include "tests/memory/segment_pool.h"
#include "tests/memory/shared.h"
#include "tests/memory/worker_process.h"

namespace sluice::memory {
namespace {

constexpr int kCannot = 77, kTorn = 3;

int exchange(Visit& visit, SegmentPool& updates) {
  Header answer;
  for (Header header{visit.token(), 0, {}, 1};; ++header.sequence) {
    const auto update = updates.take();
    do {
      std::fill_n(update->data(), update->size(), static_cast<float>(header.sequence));
    } while (answer.write_on == 1);
    const auto call = visit.begin(update->span(), update);
    if (!call) return 4;
    header.call = call->number;
    header.place = call->update;
    if (::send(STDIN_FILENO, &header, sizeof header, MSG_NOSIGNAL) != sizeof header ||
        ::recv(STDIN_FILENO, &answer, sizeof answer, 0) != sizeof answer) {
      return 5;
    }
    const auto floats = visit.values_at(answer.place);
    if (!floats.ok() || floats->values.size() != update->size()) return 6;
    if (!all_are(floats->values, static_cast<float>(answer.sequence))) return kTorn;
    if (!visit.answered(call->number).ok()) return 7;
  }
}

int knock(const Doorplate& plate) {
  const auto visit = Visit::knock(plate, std::make_shared<Segments>(), {});
  ::printf("%s\n", visit.status().to_string().c_str());
  return visit.ok() ? 0 : 1;
}

// Says hello without having looked whose door it is.
void push(const Doorplate& plate) {
  const core::Descriptor socket = connect_to(plate.name);
  const auto word = Segment::make(kWordSegment);
  if (!socket.valid() || !word.ok()) return;
  send(socket.get(), {Kind::kHello, plate.key[0], plate.key[1], 1}, word->fd());
  pollfd waiting{socket.get(), POLLIN, 0};
  ::poll(&waiting, 1, 60'000);
  ::printf("%s\n", receive(socket.get()).ok() ? "let in" : "hung up on");
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 5) return 2;
  const Doorplate plate{
      arguments[0], arguments[1], {std::stoull(arguments[2]), std::stoull(arguments[3])}};
  if (arguments[4] == "user") {
    if (::setuid(static_cast<uid_t>(std::stoul(arguments.at(5)))) != 0) return kCannot;
    push(plate);
    return knock(plate);
  }
  if (arguments[4] == "network") return ::unshare(CLONE_NEWNET) == 0 ? knock(plate) : kCannot;
  const auto segments = std::make_shared<Segments>();
  const auto visit = visit_to(plate, segments);
  if (!visit) return 2;
  SegmentPool updates(segments, std::stoull(arguments[4]), 2);
  return exchange(*visit, updates);
}

}  // namespace
}  // namespace sluice::memory

int main(int argc, char** argv) { return sluice::memory::run({argv + 1, argv + argc}); }
