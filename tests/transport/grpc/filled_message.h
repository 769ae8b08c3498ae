// Messages with every field set, each to another value, by protobuf's own reflection: a field that
// is added later is in them without anybody thinking of it.
#pragma once

#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <string>

namespace sluice::transport {

// Repeated fields get two elements. `next` counts the values; in 64 bits they are too large for 32.
inline void fill(google::protobuf::Message& message, int& next) {
  using Field = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& set = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const Field* field = message.GetDescriptor()->field(i);
    const bool many = field->is_repeated();
    for (int element = 0; element < (many ? 2 : 1); ++element) {
      const int value = ++next;
      const int64_t large = (int64_t{value} << 40) + value;
      const std::string text = "text " + std::to_string(value);
      switch (field->cpp_type()) {
        case Field::CPPTYPE_INT32:
          many ? set.AddInt32(&message, field, value) : set.SetInt32(&message, field, value);
          break;
        case Field::CPPTYPE_INT64:
          many ? set.AddInt64(&message, field, large) : set.SetInt64(&message, field, large);
          break;
        case Field::CPPTYPE_UINT64:
          set.SetUInt64(&message, field, static_cast<uint64_t>(large) | uint64_t{1} << 63);
          break;
        case Field::CPPTYPE_DOUBLE:
          many ? set.AddDouble(&message, field, value + 0.25)
               : set.SetDouble(&message, field, value + 0.25);
          break;
        case Field::CPPTYPE_FLOAT:
          many ? set.AddFloat(&message, field, static_cast<float>(value) + 0.5f)
               : set.SetFloat(&message, field, static_cast<float>(value) + 0.5f);
          break;
        case Field::CPPTYPE_BOOL:
          many ? set.AddBool(&message, field, element == 1) : set.SetBool(&message, field, true);
          break;
        case Field::CPPTYPE_ENUM:
          set.SetEnum(&message, field, field->enum_type()->value(1));
          break;
        case Field::CPPTYPE_STRING:
          many ? set.AddString(&message, field, text) : set.SetString(&message, field, text);
          break;
        case Field::CPPTYPE_MESSAGE:
          fill(many ? *set.AddMessage(&message, field) : *set.MutableMessage(&message, field),
               next);
          break;
        default:
          FAIL() << "fill() does not know the type of " << field->full_name();
      }
    }
  }
}

template <typename Message>
Message filled() {
  Message message;
  int next = 0;
  fill(message, next);
  return message;
}

}  // namespace sluice::transport
