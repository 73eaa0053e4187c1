#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace anteroom::proxy {

struct Services;

/// How a command reaches the sessions of all workers. Implemented by the server; thread-safe.
class ClientMesh {
 public:
  /// What one worker has to say.
  struct Part {
    std::int64_t count = 0;
    std::vector<std::pair<std::uint64_t, std::string>> lines;  ///< by client id
  };
  /// Runs on each worker's thread, with its services. Copied for each.
  using Question = std::function<Part(Services&)>;
  /// Runs on the thread of the worker that asked, with all parts as one, lines in the order of their ids.
  using Answer = std::move_only_function<void(Part)>;

  /// `asker` is the number of the asking worker. Never calls back from inside.
  virtual void ask_all(unsigned asker, Question question, Answer answer) = 0;

 protected:
  ~ClientMesh() = default;
};

}  // namespace anteroom::proxy
