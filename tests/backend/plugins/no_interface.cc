// Of the right version, from when that was all that was asked for.
extern "C" const char* sluice_cuda_plugin_version() { return SLUICE_VERSION; }
extern "C" void* sluice_cuda_plugin() { return nullptr; }
