// Another process of the same program, which says in one line that it is ready, and ends with us.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace sluice::bench {

class Child {
 public:
  // Runs this program with `arguments` and waits for its first line. Throws std::runtime_error.
  explicit Child(std::vector<std::string> arguments);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Processor time that the process has used, all threads.
  double cpu_seconds() const;

  const std::string& first_line() const { return first_line_; }

 private:
  pid_t pid_ = -1;
  int input_ = -1;  // the child ends when this closes
  std::string first_line_;
};

// In the child: says that it is ready, and returns when the parent has gone.
void report_and_wait(const std::string& line);

}  // namespace sluice::bench
