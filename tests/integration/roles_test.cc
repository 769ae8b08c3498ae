// The three roles started by hand, over TCP, as on several terminals.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/support/digits_folder.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing_support::DigitsFolder;
using testing_support::Process;

const std::string kSluice = SLUICE_BINARY_DIR "/bin/sluice";

// What stands after "listening at ".
std::string listening_address(Process& process) {
  if (!process.wait_for_output("listening at ", 60s)) return "";
  process.wait_for_output(" for ", 5s);
  const size_t begin = process.output().find("listening at ") + 13;
  return process.output().substr(begin, process.output().find(' ', begin) - begin);
}

TEST(RolesTest, MembersNeedNothingButTheDriversAddress) {
  const DigitsFolder digits(900, 100);
  const std::string report = digits.path() + "/report.json";
  Process driver({kSluice, "driver", "--dataset", digits.path(), "--listen", "127.0.0.1:0",
                  "--epochs", "2", "--workers", "2", "--report", report, "--verbose", "2"});
  const std::string address = listening_address(driver);
  ASSERT_FALSE(address.empty()) << driver.output();
  // Late comers and a worker more than was asked for: all are welcome.
  Process worker_a({kSluice, "worker", "--driver", address});
  Process worker_b({kSluice, "worker", "--driver", address});
  Process server({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  Process worker_c({kSluice, "worker", "--driver", address});
  EXPECT_EQ(driver.wait(240s), 0) << driver.output();
  for (Process* member : {&worker_a, &worker_b, &worker_c, &server}) {
    EXPECT_EQ(member->wait(30s), 0) << member->output();
  }
  std::ifstream file(report);
  const auto r = nlohmann::json::parse(file);
  EXPECT_EQ(r["samples_trained"], 1800);
  EXPECT_EQ(r["server_updates"], 2 * ((2 * 29 + 4) / 5));
}

TEST(RolesTest, DataIsStreamedToWorkersThatCannotSeeTheFiles) {
  const DigitsFolder digits(300, 50);
  Process driver({kSluice, "driver", "--dataset", digits.path(), "--listen", "127.0.0.1:0",
                  "--epochs", "1", "--workers", "1", "--verbose", "2"});
  const std::string address = listening_address(driver);
  ASSERT_FALSE(address.empty()) << driver.output();
  std::filesystem::remove(digits.path() + "/train-images-idx3-ubyte");  // the driver has it mapped
  Process server({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  Process worker({kSluice, "worker", "--driver", address, "--log-level", "info"});
  EXPECT_EQ(driver.wait(120s), 0) << driver.output();
  EXPECT_EQ(worker.wait(30s), 0) << worker.output();
  EXPECT_THAT(worker.output(), HasSubstr("300 records streamed by the driver"));
}

// Otherwise the threads of workers that share a machine spin on each other's cores.
TEST(RolesTest, AWorkersThreadsDoNotSpinWhileTheyWait) {
  unsetenv("OMP_WAIT_POLICY");
  Process worker({kSluice, "worker", "--driver", "127.0.0.1:9", "--join-timeout", "60"});
  const std::string environment = "/proc/" + std::to_string(worker.pid()) + "/environ";
  const auto until = std::chrono::steady_clock::now() + 30s;
  std::string text;
  while (text.find("OMP_WAIT_POLICY=passive") == std::string::npos &&
         std::chrono::steady_clock::now() < until) {
    std::ifstream file(environment);
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_THAT(text, HasSubstr("OMP_WAIT_POLICY=passive"));
}

TEST(RolesTest, WaitsSayForWhomAndEnd) {
  const DigitsFolder digits(100, 50);
  Process driver({kSluice, "driver", "--dataset", digits.path(), "--listen", "127.0.0.1:0",
                  "--idle-timeout", "3"});
  EXPECT_EQ(driver.wait(60s), 1) << driver.output();
  EXPECT_THAT(driver.output(), HasSubstr("waiting for 1 of 1 parameter server(s) to join"));
  EXPECT_THAT(driver.output(), HasSubstr("waited 3 s for 1 of 1 parameter server(s) to join"));
}

TEST(RolesTest, MembersOfADeadDriverEndByThemselves) {
  const DigitsFolder digits(900, 100);
  Process driver({kSluice, "driver", "--dataset", digits.path(), "--listen", "127.0.0.1:0",
                  "--epochs", "500", "--workers", "1", "--peer-timeout", "2", "--verbose", "2"});
  const std::string address = listening_address(driver);
  ASSERT_FALSE(address.empty()) << driver.output();
  Process server({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  Process worker({kSluice, "worker", "--driver", address});
  ASSERT_TRUE(driver.wait_for_output("Epoch 1/500", 120s)) << driver.output();
  driver.signal(SIGKILL);
  EXPECT_EQ(worker.wait(60s), 1) << worker.output();
  EXPECT_EQ(server.wait(60s), 1) << server.output();
  EXPECT_THAT(worker.output(), HasSubstr("the driver at " + address + " has not answered for"));
  EXPECT_THAT(server.output(), HasSubstr("the driver at " + address + " has not answered for"));
}

}  // namespace
}  // namespace sluice
