#include "hypercopy/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "human_units.hpp"
#include "hypercopy/console.hpp"

namespace hypercopy {
namespace {

using namespace std::chrono_literals;
using Duration = std::chrono::nanoseconds;

constexpr std::size_t kLeastBar = 5;
constexpr std::size_t kWidestBar = 40;
constexpr std::size_t kGap = 2;
constexpr auto kBarInterval = 100ms;
constexpr auto kRecentStep = 500ms;  // between two remembered states
constexpr std::size_t kRecentStates = 10;
constexpr auto kEarliestEta = 1s;  // before, the time to connect decides the rate
constexpr Duration kLongestEta = 999h;

struct Rates {
  double bytes = 0;
  double rows = 0;
};

Rates rates(const ProgressState& now, const ProgressState& before) {
  const Duration time = now.elapsed - before.elapsed;
  const auto gained = [](std::uint64_t later, std::uint64_t earlier) {
    return later > earlier ? later - earlier : 0;
  };
  return {.bytes = per_second(gained(now.bytes_done, before.bytes_done), time),
          .rows = per_second(gained(now.rows_loaded, before.rows_loaded), time)};
}

bool at_end(const ProgressState& now) { return now.bytes_total && now.bytes_done >= *now.bytes_total; }

// Of the whole input, 0 to 1.
std::optional<double> done_share(const ProgressState& now) {
  if (!now.bytes_total) {
    return std::nullopt;
  }
  return at_end(now) ? 1.0 : static_cast<double>(now.bytes_done) / static_cast<double>(*now.bytes_total);
}

// Rounded down, so that 100 is never said too early.
std::string percent_text(const ProgressState& now) {
  const std::optional<double> share = done_share(now);
  if (!share) {
    return "?%";
  }
  const int percent = static_cast<int>(*share * 100.0);
  return fmt::format("{}%", at_end(now) ? 100 : std::min(percent, 99));
}

std::string bytes_text(const ProgressState& now) {
  if (!now.bytes_total) {
    return human_bytes(now.bytes_done) + " / ?";
  }
  return human_bytes_of(now.bytes_done, *now.bytes_total);
}

// A period in which no batch ended says nothing: the overall rate is used then.
std::optional<Duration> time_left(const ProgressState& now, const ProgressState& before) {
  if (!now.bytes_total) {
    return std::nullopt;
  }
  if (at_end(now)) {
    return Duration{0};
  }
  const double period_rate = rates(now, before).bytes;
  const double rate = period_rate > 0 ? period_rate : rates(now, {}).bytes;
  if (rate <= 0 || now.elapsed < kEarliestEta) {
    return std::nullopt;
  }
  const double left = static_cast<double>(*now.bytes_total - now.bytes_done) / rate;
  if (left > seconds(kLongestEta)) {
    return std::nullopt;
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(left));
}

// Empty where there is nothing to expect.
std::string eta_text(const ProgressState& now, const ProgressState& before) {
  if (!now.bytes_total || at_end(now)) {
    return {};
  }
  const std::optional<Duration> left = time_left(now, before);
  return left ? clock_time(*left) : "--:--";
}

// "[====>   ]" with `inner` columns between the brackets.
std::string known_bar(double share, std::size_t inner) {
  const std::size_t filled = std::min(static_cast<std::size_t>(share * static_cast<double>(inner)), inner);
  if (filled == inner) {
    return fmt::format("[{:=<{}}]", "", inner);
  }
  return fmt::format("[{:=<{}}>{:{}}]", "", filled, "", inner - filled - 1);
}

// "[  <=>   ]": a mark that goes to and fro with time.
std::string unknown_bar(Duration elapsed, std::size_t inner) {
  constexpr std::string_view kMark = "<=>";
  const std::size_t way = inner - kMark.size();
  const auto tick = static_cast<std::size_t>(std::max<Duration::rep>(elapsed / kBarInterval, 0));
  const std::size_t step = tick % (2 * way);
  const std::size_t left = std::min(step, 2 * way - step);
  return fmt::format("[{:{}}{}{:{}}]", "", left, kMark, "", way - left);
}

struct Field {
  std::string text;
  int worth;  // the lowest falls away first
};

std::size_t columns(const Field& field) { return field.text.empty() ? 0 : kGap + field.text.size(); }

using Fields = std::array<Field, 6>;

// What changes to and fro has a fixed width, so that the bar stands still.
Fields bar_fields(const ProgressState& now, const ProgressState& before) {
  const Rates period = rates(now, before);
  const std::uint64_t total = now.bytes_total.value_or(0);
  const std::string eta = eta_text(now, before);
  return {{{fmt::format("{:>{}}", bytes_text(now), human_bytes_of(total, total).size()), 6},
           {fmt::format("{} rows", grouped(now.rows_loaded)), 2},
           {fmt::format("{:>10}", human_byte_rate(period.bytes)), 4},
           {fmt::format("{:>5} rows/s", short_count(period.rows)), 3},
           {eta.empty() ? eta : fmt::format("ETA {:>5}", eta), 5},
           {"elapsed " + clock_time(now.elapsed), 1}}};
}

std::size_t total_columns(const Fields& fields) {
  std::size_t total = 0;
  for (const Field& field : fields) {
    total += columns(field);
  }
  return total;
}

void drop_least(Fields& fields) {
  Field* least = nullptr;
  for (Field& field : fields) {
    if (!field.text.empty() && (least == nullptr || field.worth < least->worth)) {
      least = &field;
    }
  }
  if (least != nullptr) {
    least->text.clear();
  }
}

// "2s", "1m00s", "1h00m00s", "1d00h00m00s"
std::string parallel_copy_time(Duration time) {
  const std::int64_t total = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  const std::int64_t days = total / 86400;
  const std::int64_t hours = total / 3600 % 24;
  const std::int64_t minutes = total / 60 % 60;
  if (days > 0) {
    return fmt::format("{}d{:02}h{:02}m{:02}s", days, hours, minutes, total % 60);
  }
  if (hours > 0) {
    return fmt::format("{}h{:02}m{:02}s", hours, minutes, total % 60);
  }
  return minutes > 0 ? fmt::format("{}m{:02}s", minutes, total % 60) : fmt::format("{}s", total);
}

}  // namespace

std::string progress_bar(const ProgressState& now, const ProgressState& before, std::size_t width) {
  std::string text = fmt::format("{:>4}", percent_text(now));
  const std::size_t frame = text.size() + std::string_view{" []"}.size();
  Fields fields = bar_fields(now, before);
  while (frame + kLeastBar + total_columns(fields) > width && total_columns(fields) > 0) {
    drop_least(fields);
  }
  if (frame + kLeastBar > width) {
    return text.substr(0, width);
  }
  const std::size_t inner = std::min(width - frame - total_columns(fields), kWidestBar);
  const std::optional<double> share = done_share(now);
  text += ' ';
  text += share ? known_bar(*share, inner) : unknown_bar(now.elapsed, inner);
  for (const Field& field : fields) {
    if (!field.text.empty()) {
      text.append(kGap, ' ').append(field.text);
    }
  }
  return text;
}

std::string progress_line(const ProgressState& now, const ProgressState& before) {
  const Rates overall = rates(now, {});
  const Rates period = rates(now, before);
  const auto whole = [](double rate) { return grouped(static_cast<std::uint64_t>(rate)); };
  const std::string eta = eta_text(now, before);
  const std::string skipped = now.records_skipped == 0
                                  ? std::string{}
                                  : fmt::format(", {} skipped", counted(now.records_skipped, "record"));
  return fmt::format("{} ({}), {}{} in {}{}{}; overall {}, {} rows/s; period {}, {} rows/s",
                     percent_text(now), bytes_text(now), counted(now.rows_loaded, "row"), skipped,
                     clock_time(now.elapsed), eta.empty() ? "" : ", ETA ", eta,
                     human_byte_rate(overall.bytes), whole(overall.rows), human_byte_rate(period.bytes),
                     whole(period.rows));
}

std::string progress_json(const ProgressState& now, const ProgressState& before) {
  using Json = nlohmann::ordered_json;
  const Rates overall = rates(now, {});
  const Rates period = rates(now, before);
  const std::optional<double> share = done_share(now);
  const std::optional<Duration> left = time_left(now, before);
  const Json json = {
      {"event", "progress"},
      {"elapsed_seconds", seconds(now.elapsed)},
      {"percent", share ? Json(*share * 100.0) : Json()},
      {"bytes_done", now.bytes_done},
      {"bytes_total", now.bytes_total ? Json(*now.bytes_total) : Json()},
      {"rows_loaded", now.rows_loaded},
      {"records_skipped", now.records_skipped},
      {"records_total", now.records_total},
      {"bytes_per_second", overall.bytes},
      {"rows_per_second", overall.rows},
      {"period_bytes_per_second", period.bytes},
      {"period_rows_per_second", period.rows},
      {"eta_seconds", left ? Json(seconds(*left)) : Json()},
  };
  return json.dump();
}

std::string progress_parallel_copy(const ProgressState& now, const ProgressState& before) {
  return fmt::format(
      "({}), row rate {:.2f}/sec (period), row rate {:.2f}/sec (overall), {} inserted rows, {} skipped rows, "
      "{} total rows",
      parallel_copy_time(now.elapsed), rates(now, before).rows, rates(now, {}).rows, grouped(now.rows_loaded),
      grouped(now.records_skipped), grouped(now.records_total));
}

ProgressReporter::ProgressReporter(Console& console, Style style, std::chrono::milliseconds period)
    : console_(console), style_(style), period_(period) {}

std::chrono::milliseconds ProgressReporter::interval() const {
  switch (style_) {
    case Style::none:
      return 1h;
    case Style::bar:
      return kBarInterval;
    case Style::plain:
    case Style::json:
    case Style::parallel_copy:
      return period_;
  }
  return period_;
}

void ProgressReporter::update(const ProgressState& now) {
  remember(now);
  if (now.elapsed - last_drawn_.elapsed >= interval()) {
    draw(now, style_ == Style::bar ? recent_.front() : last_drawn_);
    last_drawn_ = now;
  }
}

void ProgressReporter::finish(const ProgressState& now) {
  draw(now, style_ == Style::bar ? ProgressState{} : last_drawn_);
  console_.end_bar();
}

void ProgressReporter::draw(const ProgressState& now, const ProgressState& before) {
  switch (style_) {
    case Style::none:
      return;
    case Style::bar:
      // One column is left free: a full line would wrap on some terminals.
      return console_.bar(progress_bar(now, before, console_.width() - 1));
    case Style::plain:
      return console_.log(LogLevel::info, progress_line(now, before));
    case Style::json:
      return console_.line(progress_json(now, before));
    case Style::parallel_copy:
      return console_.log(LogLevel::info, progress_parallel_copy(now, before));
  }
}

void ProgressReporter::remember(const ProgressState& now) {
  if (recent_.empty()) {
    recent_.push_back(ProgressState{});
  }
  if (now.elapsed - recent_.back().elapsed < kRecentStep) {
    return;
  }
  recent_.push_back(now);
  if (recent_.size() > kRecentStates) {
    recent_.pop_front();
  }
}

}  // namespace hypercopy
