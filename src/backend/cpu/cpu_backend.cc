#include "backend/cpu/cpu_backend.h"

#include "backend/cpu/cpu_replica.h"
#include "backend/cpu/onednn.h"

namespace sluice::backend {
namespace {

class CpuBackend final : public Backend {
 public:
  std::string name() const override { return "cpu (" + cpu::describe_onednn() + ")"; }
  Status check(Precision precision) const override { return cpu::check(precision); }
  std::unique_ptr<Replica> compile(const Graph& graph, const ReplicaOptions& options) override {
    return std::make_unique<cpu::CpuReplica>(graph, options);
  }
};

}  // namespace

std::shared_ptr<Backend> make_cpu_backend() { return std::make_shared<CpuBackend>(); }

}  // namespace sluice::backend
