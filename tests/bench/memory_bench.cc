// How fast two processes exchange parameters through memory that they share: the floor of what an
// exchange between processes of one host can take.
//
//   sluice_memory_bench [--rounds N] [--json FILE]
//
// A worker writes an update; a server reads it there and writes new = old + update where the worker
// reads it; the worker copies that out. Headers go over a socket, nothing else does. The reference
// does the same work in one process, with one thread and without headers. Both are measured in
// turns; the medians are compared. GB/s count the bytes of both directions, as in
// sluice_exchange_bench.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "core/descriptor.h"
#include "memory/door.h"
#include "memory/visit.h"
#include "tests/bench/exchange_child.h"
#include "tests/bench/measure.h"
#include "tests/memory/segment_pool.h"

namespace sluice::bench {
namespace {

using memory::Place;
using Buffer = core::AlignedBuffer;

// What gRPC's headers would say.
struct Header {
  uint64_t token = 0;
  uint64_t call = 0;
  Place place;
};

void write(Buffer& update) { std::fill_n(update.data(), update.size(), 1.0f); }

void apply(const Buffer& old, std::span<const float> update, Buffer& next) {
  const float* from = old.data();
  const float* delta = update.data();
  float* to = next.data();
  for (size_t i = 0; i < next.size(); ++i) to[i] = from[i] + delta[i];
}

void copy(std::span<const float> values, Buffer& into) {
  std::memcpy(into.data(), values.data(), values.size_bytes());
}

void say(int socket, const Header& header) {
  if (::send(socket, &header, sizeof header, MSG_NOSIGNAL) != sizeof header) {
    throw std::runtime_error("the other process has ended");
  }
}

bool hear(int socket, Header& header) {
  return ::recv(socket, &header, sizeof header, 0) == sizeof header;
}

template <typename T>
T need(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().to_string());
  return *std::move(result);
}
template <typename T>
T need(std::optional<T> value) {
  if (!value) throw std::runtime_error("memory is not shared");
  return *std::move(value);
}

// Until the worker has gone.
void serve(int socket, size_t parameters) {
  const auto segments = std::make_shared<memory::Segments>();
  const auto door = need(memory::Door::open(segments, {}));
  memory::SegmentPool pool(segments, parameters, 8, [&door] { door->release(); });
  auto center = pool.take();
  const memory::Doorplate& plate = door->plate();
  std::printf("%s %s %lu %lu\n", plate.machine.c_str(), plate.name.c_str(), plate.key[0],
              plate.key[1]);
  std::fflush(stdout);
  for (Header header; hear(socket, header);) {
    const auto guest = door->find(header.token);
    if (guest == nullptr) return;
    const auto next = pool.take();
    {
      const auto update = need(guest->update(header.call, header.place));
      apply(*center, update.values, *next);
    }
    center = next;
    header.place = need(guest->lend(header.call, center->span(), center));
    say(socket, header);
  }
}

memory::Doorplate plate_of(const std::string& line) {
  memory::Doorplate plate;
  std::istringstream(line) >> plate.machine >> plate.name >> plate.key[0] >> plate.key[1];
  return plate;
}

class Worker {
 public:
  Worker(int socket, const memory::Doorplate& plate, size_t parameters)
      : socket_(socket),
        visit_(need(memory::Visit::knock(plate, segments_, {}))),
        updates_(segments_, parameters, 2),
        values_(parameters) {
    while (!visit_->status().ok()) {
      pollfd welcome{visit_->socket(), POLLIN, 0};
      if (::poll(&welcome, 1, 10'000) != 1) throw std::runtime_error("the server is silent");
    }
  }

  void exchange() {
    const auto update = updates_.take();
    write(*update);
    const auto call = need(visit_->begin(update->span(), update));
    say(socket_, {visit_->token(), call.number, call.update});
    Header answer;
    if (!hear(socket_, answer)) throw std::runtime_error("the server has ended");
    copy(need(visit_->values_at(answer.place)).values, values_);
    if (!visit_->answered(call.number).ok()) throw std::runtime_error("the server has hung up");
    ++exchanges_;
  }
  // Every float counts the exchanges.
  void check() const {
    const auto expected = static_cast<float>(exchanges_);
    if (!std::all_of(values_.data(), values_.data() + values_.size(),
                     [expected](float value) { return value == expected; })) {
      throw std::runtime_error("the values are not the sum of all updates");
    }
  }

 private:
  const int socket_;
  const std::shared_ptr<memory::Segments> segments_ = std::make_shared<memory::Segments>();
  const std::unique_ptr<memory::Visit> visit_;
  memory::SegmentPool updates_;
  Buffer values_;
  int exchanges_ = 0;
};

double seconds_of(int times, const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / times;
}

nlohmann::ordered_json measure(size_t parameters, int rounds) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) throw std::runtime_error("no sockets");
  const core::Descriptor socket(ends[0]);
  ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  const Child server({"--serve", std::to_string(ends[1]), std::to_string(parameters)});
  ::close(ends[1]);
  Worker worker(socket.get(), plate_of(server.first_line()), parameters);

  Buffer update(parameters), center(parameters), next(parameters), values(parameters);
  const auto in_one_process = [&] {
    write(update);
    apply(center, update.span(), next);
    std::swap(center, next);
    copy(center.span(), values);
  };
  const double bytes = static_cast<double>(parameters) * sizeof(float);
  const int times = std::max(2, static_cast<int>(256e6 / bytes));
  std::vector<double> exchange, reference;
  for (int round = 0; round <= rounds; ++round) {  // the first warms up
    const double ours = seconds_of(times, [&] { worker.exchange(); });
    const double theirs = seconds_of(times, in_one_process);
    if (round == 0) continue;
    exchange.push_back(ours);
    reference.push_back(theirs);
  }
  worker.check();
  ::shutdown(socket.get(), SHUT_RDWR);  // the server ends
  const double ours = median(exchange), theirs = median(reference);
  std::printf(
      "%5.1f MB: exchange %5.2f GB/s (%6.3f ms), in one process %5.2f (%6.3f ms): ratio %.2f\n",
      bytes * 1e-6, 2e-9 * bytes / ours, ours * 1e3, 2e-9 * bytes / theirs, theirs * 1e3,
      theirs / ours);
  return {{"bytes", parameters * sizeof(float)},
          {"exchange_gb_per_s", 2e-9 * bytes / ours},
          {"one_process_gb_per_s", 2e-9 * bytes / theirs},
          {"ratio", theirs / ours},
          {"rounds", rounds}};
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 3 && arguments[0] == "--serve") {
    serve(std::stoi(arguments[1]), std::stoul(arguments[2]));
    return 0;
  }
  int rounds = 9;
  std::string json;
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    if (arguments[i] == "--rounds") rounds = std::stoi(arguments[i + 1]);
    if (arguments[i] == "--json") json = arguments[i + 1];
  }
  nlohmann::ordered_json cases;
  for (const size_t parameters : {size_t{1'048'853}, size_t{16'000'000}}) {
    cases.push_back(measure(parameters, rounds));
  }
  if (!json.empty()) {
    std::ofstream(json) << nlohmann::ordered_json{{"benchmark", "memory"}, {"cases", cases}}.dump(2)
                        << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  try {
    return sluice::bench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice_memory_bench: %s\n", error.what());
    return 1;
  }
}
