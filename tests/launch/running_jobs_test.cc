#include "launch/running_jobs.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "core/process_info.h"
#include "tests/support/fake_root.h"

namespace sluice::launch {
namespace {

using testing::HasSubstr;

class RunningJobsTest : public testing::Test {
 protected:
  std::vector<RunningJob> found() const {
    const auto jobs = find_running_jobs(folder_);
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    return jobs.ok() ? *jobs : std::vector<RunningJob>();
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
  }
  static std::string job(int64_t pid, int64_t started, const std::string& machine) {
    return R"({"address": "a:1", "what": "w", "pid": )" + std::to_string(pid) + R"(, "started": )" +
           std::to_string(started) + R"(, "machine": ")" + machine + R"(", "since": 7})";
  }

  const testing_support::FakeRoot place_;
  const std::string folder_ = place_.path() + "/sluice";
};

TEST_F(RunningJobsTest, AJobIsFoundAsLongAsItRuns) {
  EXPECT_TRUE(found().empty()) << "there is no folder yet";
  {
    const RunningJobFile one(folder_, "127.0.0.1:7070", "mnist_cnn on mnist, adag");
    const RunningJobFile other(folder_, "unix:/tmp/x/driver", "another");
    const auto jobs = found();
    ASSERT_EQ(jobs.size(), 2u);
    EXPECT_EQ(jobs[0].pid, getpid());
    EXPECT_EQ(jobs[0].started, core::start_ticks());
    std::set<std::string> addresses = {jobs[0].address, jobs[1].address};
    EXPECT_EQ(addresses, (std::set<std::string>{"127.0.0.1:7070", "unix:/tmp/x/driver"}));
    struct stat info {};
    ASSERT_EQ(stat(folder_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u) << "nobody else may look into it";
  }
  EXPECT_TRUE(found().empty());
  EXPECT_EQ(files(), 0u);
}

TEST_F(RunningJobsTest, WhatTheDeadLeftIsRemoved) {
  const RunningJobFile mine(folder_, "127.0.0.1:7070", "mine");
  const std::string machine = core::boot_id();
  write("1.job", job(getpid(), core::start_ticks() + 1, machine));  // the number is another's now
  write("2.job", job(int64_t{1} << 30, 1, machine));
  write("3.job", job(getpid(), core::start_ticks(), "before the last boot"));
  write("4.job", "no JSON");
  write("5.job", "{}");
  write("6.job", job(-1, 0, machine));
  EXPECT_EQ(found().size(), 1u);
  EXPECT_EQ(files(), 1u);
}

TEST_F(RunningJobsTest, AFolderThatOthersCanUseIsRefused) {
  std::filesystem::create_directory(folder_);
  chmod(folder_.c_str(), 0755);
  const Status open = find_running_jobs(folder_).status();
  EXPECT_EQ(open.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(open.message(), HasSubstr("others may look into it; remove it, or set XDG_RUNTIME"));
  const RunningJobFile unused(folder_, "127.0.0.1:7070", "mine");  // trains all the same
  EXPECT_EQ(files(), 0u);
}

TEST_F(RunningJobsTest, ALinkIsNotFollowed) {
  const std::string elsewhere = place_.path() + "/elsewhere";
  std::filesystem::create_directory(elsewhere);
  chmod(elsewhere.c_str(), 0700);
  std::filesystem::create_symlink(elsewhere, folder_);
  EXPECT_EQ(find_running_jobs(folder_).status().code(), StatusCode::kPermissionDenied);
  const RunningJobFile unused(folder_, "127.0.0.1:7070", "mine");
  EXPECT_TRUE(std::filesystem::is_empty(elsewhere));
}

TEST_F(RunningJobsTest, ALinkInTheFolderIsNotRead) {
  std::filesystem::create_directory(folder_);
  chmod(folder_.c_str(), 0700);
  std::ofstream(place_.path() + "/file") << job(getpid(), core::start_ticks(), core::boot_id());
  std::filesystem::create_symlink(place_.path() + "/file", folder_ + "/1.job");
  EXPECT_TRUE(found().empty());
}

TEST(RunningJobsFolderTest, IsTheUsersOwn) {
  const char* before = std::getenv("XDG_RUNTIME_DIR");
  const std::optional<std::string> kept =
      before ? std::optional<std::string>(before) : std::nullopt;
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  EXPECT_EQ(running_jobs_folder(), "/run/user/7/sluice");
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(running_jobs_folder(), "/tmp/sluice-" + std::to_string(geteuid()));
  if (kept) setenv("XDG_RUNTIME_DIR", kept->c_str(), 1);
}

}  // namespace
}  // namespace sluice::launch
