// A plug-in that needs a cuDNN which is not there: see CMakeLists.txt.
extern "C" int something_else();
extern "C" const char* sluice_cuda_plugin_version() {
  return something_else() != 0 ? SLUICE_VERSION : "";
}
