// What is wrong with a text, optimizer_spec_test.cc has.
#include "optim/call_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/errors.h"

namespace sluice::optim {
namespace {

using Json = nlohmann::ordered_json;

TEST(CallTextTest, ValuesAreThoseOfPython) {
  const Json call = parse_call(
      " f ( a=1, b = -2.5, c=True, d=None, e=word, f='a \"b\"', g=[1, (2,), []], h=G(x=.5),\ti=G() "
      ") ");
  EXPECT_EQ(call["class_name"], "f");
  EXPECT_EQ(call["config"].dump(),
            R"({"a":1,"b":-2.5,"c":true,"d":null,"e":"word","f":"a \"b\"","g":[1,[2],[]],)"
            R"("h":{"class_name":"G","config":{"x":0.5}},"i":{"class_name":"G","config":{}}})");
  EXPECT_EQ(parse_call("name").dump(), R"({"class_name":"name","config":{}})");
}

TEST(CallTextTest, WhatIsWrittenIsReadBack) {
  const Json call = parse_call(
      "f(a=1,b=-2.5e30,c=true,d=None,e='it\"s',f=\"it's\",g=[1,[2,'x']],h=G(x=0.1,y=[H()]))");
  EXPECT_EQ(call_text(call),
            "f(a=1, b=-2.5e+30, c=true, d=None, e='it\"s', f=\"it's\", g=[1, [2, \"x\"]], "
            "h=G(x=0.1, y=[H()]))");
  EXPECT_EQ(parse_call(call_text(call)), call);
}

TEST(CallTextTest, WhatATextCannotSayIsRefused) {
  EXPECT_EQ(message_of([] {
              call_text({{"name", "adam"}});
            }),
            "expected an object with a \"class_name\" and a \"config\", got {\"name\":\"adam\"}");
  EXPECT_NE(message_of([] {
              call_text({{"class_name", "f"}, {"config", 3}});
            }),
            "nothing was thrown");
  EXPECT_NE(message_of([] {
              call_text({{"class_name", "f"}, {"config", {{"a", {{"b", 1}}}}}});
            }),
            "nothing was thrown");
  EXPECT_EQ(message_of([] {
              call_text({{"class_name", "f"}, {"config", {{"a", "'\""}}}});
            }),
            "a text with both kinds of quotes: '\"");
}

TEST(CallTextTest, NumbersFitIntoFloat32) {
  const CallArgument argument{"loss \"huber\"", "delta"};
  EXPECT_EQ(float_of(argument, 3), 3.0f);
  EXPECT_EQ(float_of(argument, 3.4e38), 3.4e38f);
  EXPECT_EQ(
      message_of([&] { float_of(argument, -1e300); }),
      "loss \"huber\": \"delta\" must be a number that fits into float32 (3.4e38 at most), got "
      "-1e+300");
  EXPECT_EQ(message_of([&] { float_of(argument, "a lot"); }),
            "loss \"huber\": \"delta\" must be a number, got \"a lot\"");
  EXPECT_EQ(message_of([&] { flag_of(argument, 1); }),
            "loss \"huber\": \"delta\" must be true or false, got 1");
}

TEST(CallTextTest, AnArgumentThatThereIsNotIsAnsweredWithThoseThatThereAre) {
  EXPECT_EQ(message_of([] {
              refuse_argument({"f", "c"}, {"a", "b"});
            }),
            "f has no argument \"c\": use \"a\" or \"b\"");
  EXPECT_EQ(message_of([] {
              refuse_argument({"f", "c"}, {});
            }),
            "f has no argument \"c\": leave it out");
}

TEST(CallTextTest, APolicyIsTheTypeThatItNames) {
  EXPECT_TRUE(is_float32("float32"));
  EXPECT_TRUE(is_float32(nullptr));
  EXPECT_TRUE(is_float32(parse_call("DTypePolicy(name=float32)")));
  EXPECT_FALSE(is_float32(parse_call("DTypePolicy(name=mixed_bfloat16)")));
  EXPECT_FALSE(is_float32(parse_call("DTypePolicy()")));
  EXPECT_FALSE(is_float32("float64"));
}

}  // namespace
}  // namespace sluice::optim
