// The three roles started by hand, over TCP, as on several terminals.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/support/digits_folder.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
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
  EXPECT_THAT(worker.output(), HasSubstr("300 records sent by the driver"));
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
  EXPECT_THAT(driver.output(),
              testing::ContainsRegex(
                  "waiting [0-9]+ s for 1 of 1 parameter server\\(s\\) and 3 of 3 worker\\(s\\) to "
                  "join \\(given up in [0-9] s\\); start it with: sluice server\\|worker --driver "
                  "127.0.0.1:[0-9]+\n"));
  EXPECT_THAT(driver.output(),
              HasSubstr("waited 3 s for 1 of 1 parameter server(s) and 3 of 3 worker(s)"));
}

class DriverlessTest : public testing::TestWithParam<int> {};

// Also of one that only sleeps, for longer than they wait.
TEST_P(DriverlessTest, MembersEndByThemselves) {
  const DigitsFolder digits(900, 100);
  Process driver({kSluice, "driver", "--dataset", digits.path(), "--listen", "127.0.0.1:0",
                  "--epochs", "500", "--workers", "1", "--peer-timeout", "2", "--verbose", "2"});
  const std::string address = listening_address(driver);
  ASSERT_FALSE(address.empty()) << driver.output();
  Process server({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  Process worker({kSluice, "worker", "--driver", address});
  ASSERT_TRUE(driver.wait_for_output("Epoch 1/500", 120s)) << driver.output();
  driver.signal(GetParam());
  EXPECT_EQ(worker.wait(60s), 4) << worker.output();
  EXPECT_EQ(server.wait(60s), 4) << server.output();
  EXPECT_THAT(worker.output(), HasSubstr("the driver at " + address + " has not answered for"));
  EXPECT_THAT(server.output(), HasSubstr("the driver at " + address + " has not answered for"));
}

INSTANTIATE_TEST_SUITE_P(Roles, DriverlessTest, testing::Values(SIGKILL, SIGSTOP));

TEST(RolesTest, PortsThatTheSystemChoseStandInFiles) {
  const DigitsFolder digits(300, 50);
  const auto port_of = [&](const std::string& name) {
    std::ifstream file(digits.path() + "/" + name);
    std::string port;
    std::getline(file, port);
    return port;
  };
  Process driver({kSluice, "driver", "--dataset", digits.path(), "--listen", "127.0.0.1:0",
                  "--epochs", "1", "--workers", "1", "--port-file", digits.path() + "/driver"});
  ASSERT_TRUE(driver.wait_for_output("listening at ", 60s)) << driver.output();
  const std::string address = "127.0.0.1:" + port_of("driver");
  Process server({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0", "--port-file",
                  digits.path() + "/server"});
  Process worker({kSluice, "worker", "--driver", address});
  EXPECT_EQ(driver.wait(120s), 0) << driver.output();
  EXPECT_EQ(server.wait(30s), 0) << server.output();
  EXPECT_EQ(worker.wait(30s), 0) << worker.output();
  EXPECT_THAT(server.output(), HasSubstr("listening at 127.0.0.1:" + port_of("server")));
}

TEST(RolesTest, APortFileNeedsAPort) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{kSluice, "train", "--port-file", "/tmp/port"},
        {kSluice, "server", "--driver", "127.0.0.1:9", "--listen", "unix:/tmp/s", "--port-file",
         "/tmp/port"}}) {
    Process process(command);
    EXPECT_EQ(process.wait(30s), 2) << process.output();
    EXPECT_THAT(process.output(), HasSubstr("--port-file: needs a --listen address with a port"));
  }
}

// Members of a kind behave alike: what a worker survives, a server that has nothing to lose does.
TEST(RolesTest, ADriverThatIsStartedAgainGetsItsOldMembersBack) {
  const DigitsFolder digits(900, 100);
  const std::string report = digits.path() + "/report.json";
  const auto command = [&](const std::string& address, const std::string& epochs) {
    return std::vector<std::string>{
        kSluice, "driver",    "--dataset", digits.path(), "--listen", address,     "--epochs",
        epochs,  "--workers", "2",         "--report",    report,     "--verbose", "2"};
  };
  Process first(command("127.0.0.1:0", "500"));
  const std::string address = listening_address(first);
  ASSERT_FALSE(address.empty()) << first.output();
  Process server({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  Process worker_a({kSluice, "worker", "--driver", address});
  Process worker_b({kSluice, "worker", "--driver", address});
  ASSERT_TRUE(first.wait_for_output("Epoch 1/500", 120s)) << first.output();
  first.signal(SIGKILL);
  EXPECT_EQ(first.wait(20s), 128 + SIGKILL);
  Process second(command(address, "2"));
  EXPECT_EQ(second.wait(240s), 0) << second.output();
  for (Process* member : {&worker_a, &worker_b, &server}) {
    EXPECT_EQ(member->wait(30s), 0) << member->output();
    EXPECT_THAT(member->output(),
                ContainsRegex("the driver does not know this process any more .*: joining again"));
  }
  std::ifstream file(report);
  const auto r = nlohmann::json::parse(file);
  EXPECT_EQ(r["samples_trained"], 1800);
  EXPECT_EQ(r["server_updates"], 2 * ((2 * 29 + 4) / 5));
}

TEST(RolesTest, MembersHearAtOnceThatTheDriverWasStoppedAndByWhichSignal) {
  const DigitsFolder digits(900, 100);
  Process driver({kSluice, "driver", "--dataset", digits.path(), "--listen", "127.0.0.1:0",
                  "--epochs", "5000", "--workers", "2", "--verbose", "2"});
  const std::string address = listening_address(driver);
  ASSERT_FALSE(address.empty()) << driver.output();
  Process server({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  Process worker_a({kSluice, "worker", "--driver", address});
  Process worker_b({kSluice, "worker", "--driver", address});
  ASSERT_TRUE(driver.wait_for_output("Epoch 1/5000", 120s)) << driver.output();
  const auto begin = std::chrono::steady_clock::now();
  driver.signal(SIGTERM);
  EXPECT_EQ(driver.wait(30s), 128 + SIGTERM) << driver.output();
  for (Process* member : {&worker_a, &worker_b, &server}) {
    EXPECT_EQ(member->wait(30s), 3) << member->output();
    EXPECT_THAT(member->output(), HasSubstr("the driver was stopped by SIGTERM"));
  }
  // 2 s are promised; a sanitizer's build on a busy machine gets more.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST(RolesTest, ADriverNamesTheSignalThatHasStoppedItsServer) {
  const DigitsFolder digits(900, 100);
  Process driver({kSluice, "driver", "--dataset", digits.path(), "--listen", "127.0.0.1:0",
                  "--epochs", "5000", "--workers", "1", "--verbose", "2"});
  const std::string address = listening_address(driver);
  ASSERT_FALSE(address.empty()) << driver.output();
  Process server({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  Process worker({kSluice, "worker", "--driver", address});
  ASSERT_TRUE(driver.wait_for_output("Epoch 1/5000", 120s)) << driver.output();
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(30s), 128 + SIGTERM) << server.output();
  EXPECT_EQ(driver.wait(30s), 1) << driver.output();
  EXPECT_THAT(driver.output(), HasSubstr("was stopped by SIGTERM; its parameters are gone"));
}

TEST(RolesTest, WhoIsRefusedEndsWithAStatusOfItsOwn) {
  const DigitsFolder digits(900, 100);
  Process driver(
      {kSluice, "driver", "--dataset", digits.path(), "--listen", "127.0.0.1:0", "--verbose", "2"});
  const std::string address = listening_address(driver);
  ASSERT_FALSE(address.empty()) << driver.output();
  Process first({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(driver.wait_for_output("server 0 ", 60s)) << driver.output();
  Process second({kSluice, "server", "--driver", address, "--listen", "127.0.0.1:0"});
  EXPECT_EQ(second.wait(60s), 5) << second.output();
  EXPECT_THAT(second.output(), HasSubstr("has its 1 parameter server(s) already"));
  EXPECT_TRUE(driver.wait_for_output("was refused: this job has its 1", 30s)) << driver.output();
}

// Whoever reads a container's log wants to know why it ended.
TEST(RolesTest, ARoleThatASignalEndsNamesIt) {
  for (const char* role : {"server", "worker"}) {
    Process process({SLUICE_BINARY_DIR "/bin/sluice", role, "--driver", "127.0.0.1:1"});
    ASSERT_TRUE(process.wait_for_output("127.0.0.1:1", 30s)) << process.output();
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(30s), 128 + SIGTERM) << process.output();
    EXPECT_THAT(process.output(),
                HasSubstr(std::string("sluice: ") + role + ": stopped by SIGTERM\n"));
  }
}

}  // namespace
}  // namespace sluice
