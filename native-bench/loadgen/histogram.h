#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace loadgen {

// Counts of nanoseconds, log-linear: each power of two has 128 buckets, so that a bucket is at most 1/128 of its value
// wide. A quantile is the middle of its bucket: within 0.4 %. Smallest, largest and mean are exact.
class Histogram {
 public:
  void record(uint64_t value) {
    counts_[index_of(value)]++;
    count_++;
    sum_ += static_cast<double>(value);
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }

  void add(const Histogram& other) {
    for (size_t i = 0; i < counts_.size(); i++) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }

  void clear() { *this = Histogram(); }

  uint64_t count() const { return count_; }
  uint64_t min() const { return count_ == 0 ? 0 : min_; }
  uint64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

  // The value that `fraction` of all values do not exceed.
  double quantile(double fraction) const {
    const auto wanted = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(count_))));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); i++) {
      seen += counts_[i];
      if (seen >= wanted) {
        return std::clamp(middle_of(i), static_cast<double>(min()), static_cast<double>(max_));
      }
    }
    return static_cast<double>(max_);
  }

 private:
  static constexpr unsigned kBits = 7;
  static constexpr size_t kPerPower = size_t{1} << kBits;
  // Two linear powers' worth of exact values, then one row of buckets per further power of two.
  static constexpr size_t kBuckets = (64 - kBits + 1) * kPerPower;

  static size_t index_of(uint64_t value) {
    if (value < kPerPower) return static_cast<size_t>(value);
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
    return shift * kPerPower + static_cast<size_t>(value >> shift);
  }

  static double middle_of(size_t index) {
    if (index < 2 * kPerPower) return static_cast<double>(index);
    const size_t shift = index / kPerPower - 1;
    const double lowest = std::ldexp(static_cast<double>(index - shift * kPerPower), static_cast<int>(shift));
    return lowest + (std::ldexp(1.0, static_cast<int>(shift)) - 1) / 2;
  }

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace loadgen
