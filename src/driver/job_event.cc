#include "driver/job_event.h"

namespace sluice::driver {
namespace {

const char* name_of(wire::Role role) { return role == wire::Role::kServer ? "server" : "worker"; }

std::string where(const core::ProcessFacts& process) { return "(" + core::to_text(process) + ")"; }

struct ToText {
  std::string operator()(const MemberJoined& e) const {
    return e.who.to_string() + " joined" + (e.address.empty() ? "" : ", listening at " + e.address);
  }
  std::string operator()(const ServerFound& e) const {
    return e.who.to_string() + " is reached at " + e.address + ", where it came from: " + e.why +
           "; start it with --advertise to choose the address";
  }
  std::string operator()(const JoinRefused& e) const {
    return std::string("a ") + name_of(e.role) + " " + where(e.process) +
           " was refused: " + e.why.message();
  }
  std::string operator()(const MemberEnded& e) const {
    std::string line = e.who.to_string() + " " + e.fate;
    if (e.partition >= 0) {
      line += ": partition " + std::to_string(e.partition) + " goes back to the queue";
    }
    return line;
  }
  std::string operator()(const LeaseGranted& e) const {
    return e.who.to_string() + " trains partition " + std::to_string(e.lease.partition) +
           " from push " + std::to_string(e.lease.next_sequence);
  }
  std::string operator()(const PartitionFinished& e) const {
    return e.who.to_string() + " has trained partition " + std::to_string(e.partition);
  }
  std::string operator()(const WaitsFor& e) const {
    return e.whom.empty() ? "" : "waiting for " + e.whom;
  }
  std::string operator()(const TrainingStarted&) const { return "training begins"; }
  std::string operator()(const Progress&) const { return ""; }
  std::string operator()(const EpochEnded&) const { return ""; }
  std::string operator()(const JobEnding& e) const {
    return e.why.ok() ? "everything is trained" : "the job ends: " + e.why.message();
  }
};

}  // namespace

std::string MemberName::to_string() const {
  return std::string(name_of(role)) + " " + std::to_string(index) + " " + where(process);
}

std::string to_text(const JobEvent& event) { return std::visit(ToText{}, event.what); }

}  // namespace sluice::driver
