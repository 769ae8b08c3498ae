// The decimal numbers that floats were written as.
#pragma once

namespace sluice::optim {

// The shortest decimal that reads back as the same float: 0.001, not 0.0010000000474974513.
double decimal_of(float value);

// 1 - value, as Keras gets it: in double, from the decimal number that was written. Float
// arithmetic would make 0.00099998 of 1 - 0.999 and Adam's v 1.3e-5 too small.
float one_minus(float value);

}  // namespace sluice::optim
