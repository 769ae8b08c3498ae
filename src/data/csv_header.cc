#include "data/csv_header.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "data/csv_cells.h"

namespace sluice::data {
namespace {

using Places = std::map<std::string_view, size_t>;  // of columns, by their names

Status wrong_header(const std::string& path, const std::string& what) {
  return invalid_argument(fmt::format("{}: line 1: {}", path, what));
}

Result<size_t> find_target(const std::string& path, const std::vector<std::string>& columns,
                           const std::string& target) {
  const auto at = std::find(columns.begin(), columns.end(), target);
  if (at != columns.end()) return static_cast<size_t>(at - columns.begin());
  return wrong_header(
      path, fmt::format("expected a header with a column {}, found {}: name the column to predict "
                        "by --target",
                        excerpt(target), list_names(columns)));
}

// `like` as in read_csv_header(). What is passed over may be called like anything, or not at all.
Result<Places> places_of(const std::string& path, const std::vector<std::string>& columns,
                         const std::string& target, const RecordsInfo* like, OtherColumns others) {
  const auto is_passed_over = [&](const std::string& name) {
    return like != nullptr && others == OtherColumns::kPassedOver && name != target &&
           std::ranges::find(like->table.columns, name) == like->table.columns.end();
  };
  Places places;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (places.emplace(columns[i], i).second && !columns[i].empty()) continue;
    if (is_passed_over(columns[i])) continue;
    if (!columns[i].empty()) {
      return wrong_header(path, "two columns have the name " + excerpt(columns[i]));
    }
    return wrong_header(path,
                        fmt::format("column {} has no name: give it one, or leave it out (pandas "
                                    "writes row numbers so, unless index=False)",
                                    i + 1));
  }
  return places;
}

Status ignore(const std::string& path, const Places& places,
              const std::vector<std::string>& ignored, bool must_be_there, CsvHeader& header) {
  for (const std::string& name : ignored) {
    const auto found = places.find(name);
    if (found == places.end()) {
      if (!must_be_there) continue;
      return wrong_header(path, fmt::format("has no column {} to ignore, but {}", excerpt(name),
                                            list_names(header.columns)));
    }
    if (found->second == header.target) {
      return wrong_header(
          path, fmt::format("column {} is the target: it cannot be ignored", excerpt(name)));
    }
    header.slots[found->second] = CsvHeader::kIgnored;
  }
  return ok_status();
}

Status find_weights(const std::string& path, const Places& places, const std::string& name,
                    bool must_be_there, CsvHeader& header) {
  if (name.empty()) return ok_status();
  const auto found = places.find(name);
  if (found == places.end()) {
    if (!must_be_there) return ok_status();
    return wrong_header(path, fmt::format("has no column {} of weights, but {}", excerpt(name),
                                          list_names(header.columns)));
  }
  if (found->second == header.target || header.slots[found->second] == CsvHeader::kIgnored) {
    return wrong_header(path,
                        fmt::format("column {} is {}: it cannot have the weights", excerpt(name),
                                    found->second == header.target ? "the target" : "ignored"));
  }
  header.slots[found->second] = CsvHeader::kWeight;
  header.weighted = true;
  return ok_status();
}

void add_feature(CsvHeader& header, size_t column) {
  header.slots[column] = header.features.size();
  header.features.push_back(header.columns[column]);
}

// Features take the places of their names in the other file.
Status match(const std::string& path, const Places& places, const RecordsInfo& like,
             OtherColumns others, CsvHeader& header) {
  for (const std::string& name : like.table.columns) {
    const auto found = places.find(name);
    if (found == places.end()) {
      return wrong_header(
          path, fmt::format("has no column {}, which {} has", excerpt(name), like.origin));
    }
    if (header.slots[found->second] == CsvHeader::kIgnored) {
      return wrong_header(path, fmt::format("column {} is a feature of {}: it cannot be ignored",
                                            excerpt(name), like.origin));
    }
    add_feature(header, found->second);
  }
  for (size_t i = 0; i < header.columns.size(); ++i) {
    if (i == header.target || header.slots[i] != CsvHeader::kTarget) continue;
    if (others == OtherColumns::kPassedOver) {
      header.slots[i] = CsvHeader::kIgnored;
      continue;
    }
    return wrong_header(path, fmt::format("has a column {}, which {} does not have",
                                          excerpt(header.columns[i]), like.origin));
  }
  return ok_status();
}

}  // namespace

Result<CsvHeader> read_csv_header(const std::string& path, std::span<const std::string_view> cells,
                                  const std::string& target,
                                  const std::vector<std::string>& ignored,
                                  const std::string& weights, const RecordsInfo* like,
                                  OtherColumns others) {
  CsvHeader header;
  header.columns.assign(cells.begin(), cells.end());
  SLUICE_ASSIGN_OR_RETURN(header.target, find_target(path, header.columns, target));
  SLUICE_ASSIGN_OR_RETURN(const Places places,
                          places_of(path, header.columns, target, like, others));
  header.slots.assign(cells.size(), CsvHeader::kTarget);
  SLUICE_RETURN_IF_ERROR(ignore(path, places, ignored, like == nullptr, header));
  SLUICE_RETURN_IF_ERROR(find_weights(path, places, weights, like == nullptr, header));
  if (like != nullptr) {
    SLUICE_RETURN_IF_ERROR(match(path, places, *like, others, header));
    return header;
  }
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i != header.target && header.slots[i] == CsvHeader::kTarget) add_feature(header, i);
  }
  if (header.features.empty()) {
    return wrong_header(path, "expected columns of features beside " + excerpt(target));
  }
  return header;
}

}  // namespace sluice::data
