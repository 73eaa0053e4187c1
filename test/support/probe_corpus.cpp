#include "support/probe_corpus.hpp"

#include <algorithm>
#include <iterator>

namespace anteroom::test {

std::span<const ProbeGroup> probe_corpus() {
  static const std::vector<ProbeGroup> corpus = [] {
    std::vector<ProbeGroup> all = probes_of_values();
    std::ranges::copy(probes_of_streams(), std::back_inserter(all));
    std::ranges::copy(probes_of_servers(), std::back_inserter(all));
    return all;
  }();
  return corpus;
}

}  // namespace anteroom::test
