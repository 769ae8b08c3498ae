// A simulated process with a role in it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/simulator/network.h"
#include "tests/simulator/simulation.h"

namespace sluice::simulator {

template <typename Role>
struct Running {
  Running(Simulation& simulation, Network& network, const std::string& name, int64_t pid)
      : process(std::make_shared<Process>(simulation, name,
                                          core::ProcessFacts{name, "one machine", pid, pid})),
        world(process),
        transport(network.transport_of(process)) {}
  // A role goes before its world.
  ~Running() { role.reset(); }

  std::shared_ptr<Process> process;
  SimulatedWorld world;
  std::unique_ptr<wire::Transport> transport;
  std::optional<Role> role;
  std::optional<Status> ended;
};

}  // namespace sluice::simulator
