#include "support/pty.hpp"

#include <poll.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <csignal>
#include <cstdlib>

namespace anteroom::test {

Pty::Pty(const std::vector<std::string>& argv) {
  std::vector<std::string> copies = argv;
  std::vector<char*> pointers;
  pointers.reserve(copies.size() + 1);
  for (std::string& word : copies) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  winsize size{.ws_row = 50, .ws_col = 200, .ws_xpixel = 0, .ws_ypixel = 0};
  pid_ = forkpty(&fd_, nullptr, nullptr, &size);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("TERM", "dumb", 1);  // no line editor, hence no redrawing
    execvp(pointers[0], pointers.data());
    _exit(127);
  }
}

Pty::~Pty() {
  if (fd_ >= 0) close(fd_);
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

void Pty::type(std::string_view keys) const { (void)!write(fd_, keys.data(), keys.size()); }

bool Pty::read_more(const Deadline& deadline) {
  pollfd watched{.fd = fd_, .events = POLLIN, .revents = 0};
  if (poll(&watched, 1, deadline.poll_ms()) <= 0) return false;
  std::array<char, 4'096> bytes{};
  const ssize_t got = read(fd_, bytes.data(), bytes.size());
  if (got <= 0) return false;
  for (const char c : std::string_view{bytes.data(), static_cast<std::size_t>(got)}) {
    if (c == '\x1b') is_in_escape_ = true;
    if (!is_in_escape_) text_ += c;
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) is_in_escape_ = false;
  }
  return true;
}

bool Pty::wait_for_text(std::string_view part, milliseconds patience) {
  const Deadline deadline{patience};
  for (;;) {
    const std::size_t at = text_.find(part, seen_);
    if (at != std::string::npos) {
      seen_ = at + part.size();
      return true;
    }
    if (!read_more(deadline)) return false;
  }
}

bool Pty::wait_for_end(milliseconds patience) {
  const Deadline deadline{patience};
  while (read_more(deadline)) {
  }
  return !deadline.is_over();
}

}  // namespace anteroom::test
