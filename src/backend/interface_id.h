// What plug-ins and the program must have in common, since C++ crosses the door between them.
#pragma once

namespace sluice::backend {

// The compiler, and a hash of its flags and of the headers that declare what crosses the door
// (cmake/SluiceInterface.cmake): "GNU 12.2.0, 9f86d081884c". Of the build that this is part of.
const char* interface_id();

}  // namespace sluice::backend
