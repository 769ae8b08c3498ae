// Identifies the C++ interface between the program and its plug-ins, which must be the same in
// both.
#pragma once

namespace sluice::backend {

// Of this build: the compiler, and a hash of its flags and of the headers that declare the
// interface (cmake/SluiceInterface.cmake): "GNU 12.2.0, 9f86d081884c".
const char* interface_id();

}  // namespace sluice::backend
