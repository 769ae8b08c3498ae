#include "data/describe.h"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "core/input_file.h"
#include "core/json_depth.h"
#include "data/csv.h"
#include "data/digits.h"
#include "data/idx.h"

namespace sluice::data {
namespace {

using nlohmann::json;

// What a file was like where it was described.
struct FileMark {
  std::string path;
  uint64_t bytes = 0;
  uint32_t crc32 = 0;
  core::FileStamp stamp{};  // here, where it is described or looked for
};

struct Description {
  RecordsInfo info;
  std::vector<FileMark> files;
};

using RecordsPtr = std::shared_ptr<const Records>;

struct ElementName {
  Element element;
  std::string_view name;
};
constexpr ElementName kElements[] = {{Element::kUint8, "uint8"}, {Element::kFloat32, "float32"}};

std::string_view name_of(Element element) {
  return std::find_if(std::begin(kElements), std::end(kElements),
                      [element](const ElementName& e) { return e.element == element; })
      ->name;
}

Element element_named(const std::string& name) {
  const auto found = std::find_if(std::begin(kElements), std::end(kElements),
                                  [&](const ElementName& e) { return e.name == name; });
  if (found == std::end(kElements)) throw std::invalid_argument("element " + name);
  return found->element;
}

Result<FileMark> mark(const std::string& path) {
  SLUICE_ASSIGN_OR_RETURN(const auto file, core::InputFile::open(path));
  FileMark mark{.path = path, .bytes = file->size(), .stamp = file->stamp()};
  SLUICE_RETURN_IF_ERROR(file->read_all([&](std::span<const std::byte> piece) {
    mark.crc32 = static_cast<uint32_t>(crc32(
        mark.crc32, reinterpret_cast<const Bytef*>(piece.data()), static_cast<uInt>(piece.size())));
    return ok_status();
  }));
  return mark;
}

// Shapes beyond this are no records, and their product could overflow.
bool is_sane(const Shape& shape) {
  int64_t size = 1;
  for (int64_t d : shape.dims()) {
    if (d < 1 || d > (int64_t{1} << 31) || (size *= d) > (int64_t{1} << 31)) return false;
  }
  return true;
}

Description from_json(const json& j) {
  Description d;
  RecordsInfo& info = d.info;
  info.name = j.at("name").get<std::string>();
  info.sample_shape = Shape(j.at("sample_shape").get<std::vector<int64_t>>());
  info.classes = j.at("classes").get<int>();
  info.values = j.at("values").get<int64_t>();
  info.table.target = j.at("target").get<std::string>();
  info.table.columns = j.at("columns").get<std::vector<std::string>>();
  info.table.class_names = j.at("class_names").get<std::vector<std::string>>();
  info.table.ignored = j.at("ignored").get<std::vector<std::string>>();
  info.table.weights = j.at("weights").get<std::string>();
  info.element = element_named(j.at("element").get<std::string>());
  info.scale = j.at("scale").get<float>();
  info.records = j.at("records").get<int64_t>();
  info.origin = j.at("origin").get<std::string>();
  const json& source = j.at("source");
  info.source.kind = source.at("kind").get<std::string>();
  info.source.first = source.at("first").get<int64_t>();
  info.source.seed = source.at("seed").get<uint64_t>();
  info.source.part = source.at("part").get<std::string>();
  for (const json& file : source.at("files")) {
    d.files.push_back({.path = file.at("path").get<std::string>(),
                       .bytes = file.at("bytes").get<uint64_t>(),
                       .crc32 = file.at("crc32").get<uint32_t>()});
    info.source.files.push_back({.path = d.files.back().path});
  }
  if (!is_sane(info.sample_shape)) throw std::invalid_argument("sample_shape");
  if (info.classes < 0 || info.classes > kMaxClasses) throw std::invalid_argument("classes");
  const bool numbers = info.classes == 0;
  if (info.values < 0 || info.values > int64_t{1} << 31 || numbers != (info.values > 0)) {
    throw std::invalid_argument("values");
  }
  if (info.records < 1 || info.records >= int64_t{1} << 32) throw std::invalid_argument("records");
  if (info.source.first < 0 || info.source.first > int64_t{1} << 62) {
    throw std::invalid_argument("first");
  }
  if (!std::isfinite(info.scale)) throw std::invalid_argument("scale");
  return d;
}

Result<Description> parse(const std::string& text) {
  const std::string what = "description of records: ";
  if (const std::string wrong = core::check_json_depth(text); !wrong.empty()) {
    return invalid_argument(what + wrong);
  }
  try {
    return from_json(json::parse(text));
  } catch (const std::exception& e) {  // nlohmann's, and ours above
    return invalid_argument(what + e.what());
  }
}

Result<RecordsPtr> open_idx(const RecordsInfo& info) {
  const auto& files = info.source.files;
  return read_idx(files[0].path, files[1].path, {.name = info.name, .classes = info.classes});
}

Result<RecordsPtr> open_csv(const RecordsInfo& info) {
  // The file is the very same: what was passed over is so here.
  return read_csv_like(info.source.files[0].path, info, OtherColumns::kPassedOver);
}

Result<RecordsPtr> open_digits(const RecordsInfo& info) {
  constexpr int64_t kMost = 10'000'000;  // 8 GB: what nobody asks for but a damaged description
  if (info.records > kMost) {
    return failed_precondition(
        fmt::format("generated digits: {} records are more than the {} that fit into memory",
                    info.records, kMost));
  }
  return generate_digits(info.source.first, info.records, info.source.seed);
}

// A kind of source: how many files it has, and how to have it here, or as much of it as holds the
// described records.
struct SourceKind {
  std::string_view kind;
  size_t files;
  Result<RecordsPtr> (*open)(const RecordsInfo& info);
};
constexpr SourceKind kSourceKinds[] = {
    {"idx", 2, open_idx}, {"csv", 1, open_csv}, {"digits", 0, open_digits}};

Result<const SourceKind*> kind_of(const RecordsInfo& info) {
  for (const SourceKind& row : kSourceKinds) {
    if (row.kind == info.source.kind && row.files == info.source.files.size()) return &row;
  }
  return failed_precondition(
      fmt::format("dataset \"{}\": no reader for source \"{}\"", info.name, info.source.kind));
}

// FAILED_PRECONDITION unless the files are what they were where they were described. Notes how they
// are here.
Status check_files(std::vector<FileMark>& files) {
  for (FileMark& there : files) {
    const auto here = mark(there.path);
    if (!here.ok()) return failed_precondition(here.status().message());
    if (here->bytes != there.bytes || here->crc32 != there.crc32) {
      return failed_precondition(there.path +
                                 ": has another content here than where the driver runs");
    }
    there.stamp = here->stamp;
  }
  return ok_status();
}

// Whether these are the very files that the records were read from.
Status check_same(const std::vector<FileMark>& files, const RecordsSource& read) {
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].stamp == read.files[i].stamp) continue;
    return data_loss(files[i].path + " was written to since it was read: start again");
  }
  return ok_status();
}

// Part of the source's records, as `info` describes them, whose scale counts: a job may have been
// given another than the source's own.
Result<RecordsPtr> take_part(const Records& source, const RecordsInfo& info) {
  const RecordsInfo& whole = source.info();
  const int64_t first = info.source.first - whole.source.first;
  if (whole.sample_shape != info.sample_shape || whole.element != info.element ||
      whole.values != info.values || whole.table != info.table || whole.records < info.records ||
      first > whole.records - info.records) {
    return failed_precondition(fmt::format(
        "dataset \"{}\": {} is read otherwise here than it was described", info.name, info.origin));
  }
  const auto part = source.slice(first, info.records);
  for (int32_t label : part->labels()) {
    if (label >= info.classes) {
      return failed_precondition(fmt::format("dataset \"{}\": {} has label {} of {} classes",
                                             info.name, info.origin, label, info.classes));
    }
  }
  RecordsInfo described = info;
  described.source.files = whole.source.files;
  return part->with_info(std::move(described));
}

}  // namespace

Result<std::string> describe(const Records& records) {
  const RecordsInfo& info = records.info();
  std::vector<FileMark> marks;
  for (const SourceFile& source : info.source.files) {
    SLUICE_ASSIGN_OR_RETURN(FileMark file, mark(source.path));
    marks.push_back(std::move(file));
  }
  SLUICE_RETURN_IF_ERROR(check_same(marks, info.source));
  json files = json::array();
  for (const FileMark& file : marks) {
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"crc32", file.crc32}});
  }
  const json j = {{"name", info.name},
                  {"sample_shape", info.sample_shape.dims()},
                  {"classes", info.classes},
                  {"values", info.values},
                  {"target", info.table.target},
                  {"columns", info.table.columns},
                  {"class_names", info.table.class_names},
                  {"ignored", info.table.ignored},
                  {"weights", info.table.weights},
                  {"element", name_of(info.element)},
                  {"scale", info.scale},
                  {"records", info.records},
                  {"origin", info.origin},
                  {"source",
                   {{"kind", info.source.kind},
                    {"first", info.source.first},
                    {"seed", info.source.seed},
                    {"part", info.source.part},
                    {"files", std::move(files)}}}};
  // Paths need not be UTF-8, JSON must be: such a path will not be found, and the records be sent.
  return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<RecordsInfo> parse_description(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(Description description, parse(text));
  return std::move(description.info);
}

Result<std::shared_ptr<const Records>> open_described(const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(Description description, parse(text));
  const RecordsInfo& info = description.info;
  SLUICE_ASSIGN_OR_RETURN(const SourceKind* kind, kind_of(info));
  SLUICE_RETURN_IF_ERROR(check_files(description.files));
  const auto source = kind->open(info);
  if (!source.ok()) return failed_precondition(source.status().message());
  const Status same = check_same(description.files, (*source)->info().source);
  if (!same.ok()) return failed_precondition(same.message());
  return take_part(**source, info);
}

}  // namespace sluice::data
