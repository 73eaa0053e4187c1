#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/deadline.hpp"

namespace anteroom::test {

/// A program on a terminal of its own, for tools that behave differently when a person sits before them. Destruction
/// ends the program.
class Pty {
 public:
  explicit Pty(const std::vector<std::string>& argv);
  ~Pty();
  Pty(const Pty&) = delete;
  Pty& operator=(const Pty&) = delete;

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  void type(std::string_view keys) const;

  /// Waits until `part` appears in what the program printed after the text that the last such call found.
  [[nodiscard]] bool wait_for_text(std::string_view part, milliseconds patience = kPatience);
  [[nodiscard]] bool wait_for_end(milliseconds patience = kPatience);

  /// All that was printed so far, without terminal escape sequences.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  bool read_more(const Deadline& deadline);

  int fd_ = -1;
  int pid_ = -1;
  std::string text_;
  std::size_t seen_ = 0;
  bool is_in_escape_ = false;
};

}  // namespace anteroom::test
