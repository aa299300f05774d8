#include "generate_rows.hpp"

namespace hypercopy::generating {
namespace {

// All texts are as they stand in the file: quotes are doubled in what goes between quotes.
constexpr std::array<std::string_view, 8> kSubjects{"pump",   "Kühlkreis", "\"\"north\"\" gate", "センサー",
                                                    "filter", "клапан",    "belt 7\"\"",         "valve"};
constexpr std::array<std::string_view, 8> kStates{
    "ok",       "stopped, then restarted", "à vérifier", "\"\"ok\"\"", "leaking", "偏差 +0,3 °C", "hot",
    "silent 🔇"};
constexpr std::array<std::string_view, 8> kSentences{
    "Pressure fell by 0.3 bar, temperature did not.\n",
    "The operator said: \"\"wait, it settles\"\".\n",
    "Ölstand geprüft, Dichtung nachgezogen;\r\nnächste Prüfung am 12.3.\r\n",
    "Nothing unusual. ",
    "Ventil 3 → 4, ключ №17. ",
    "\"\"\"\"\n\n",
    "Filter exchanged (part 4711-0815, batch \"\"B\"\"); counter reset to zero. ",
    "温度は正常です。\n"};
constexpr std::array<std::string_view, 8> kRemarks{"",
                                                   "\"\"",
                                                   "none",
                                                   "\"a, b\"",
                                                   "",  // NULL, an empty string, a word, a delimiter, NULL
                                                   "\"\"\"\"\"\"",
                                                   "\"\n\"",
                                                   "naïve"};  // two quotes, a newline, letters
constexpr std::array<std::string_view, 4> kAuthors{"Ines", "Zoë", "Николай", "\"O'Neil, Seth\""};

char* write_row(char* to, const Moment& moment, std::uint64_t id, Random& random) {
  std::uint64_t bits = random();
  const auto next = [&bits] {
    bits >>= 4U;
    return bits;
  };
  to = moment.put(to);
  *to++ = ',';
  to = write_number(to, id);
  *to++ = ',';
  to = write_text(to, pick(kAuthors, bits));
  to = write_text(to, ",\"");
  to = write_text(to, pick(kSubjects, next()));
  to = write_text(to, ", ");
  to = write_text(to, pick(kStates, next()));
  to = write_text(to, "\",\"Shift 2, ");
  for (std::uint64_t sentences = next() % 8; sentences > 0; --sentences)
    to = write_text(to, pick(kSentences, next()));
  to = write_text(to, "\",");
  to = write_text(to, pick(kRemarks, next()));
  *to++ = '\n';
  return to;
}

}  // namespace

std::vector<GeneratedColumn> quoted_columns() {
  return {{"time", "timestamptz"}, {"id", "bigint"}, {"author", "text"},
          {"title", "text"},       {"body", "text"}, {"remark", "text"}};
}

Status write_quoted(const GenerateOptions& options, RowWriter& rows) {
  Random random(options.seed);
  std::uint64_t id = 0;
  for (Moment moment(options); rows.wants_more(); moment.advance()) {
    for (std::uint32_t i = 0; i < options.series && rows.wants_more(); ++i)
      HYPERCOPY_TRY(rows.wrote(write_row(rows.end(), moment, ++id, random)));
  }
  return {};
}

}  // namespace hypercopy::generating
