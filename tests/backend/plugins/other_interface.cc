// A plug-in of the right version, from other headers.
extern "C" const char* sluice_cuda_plugin_version() { return SLUICE_VERSION; }
extern "C" const char* sluice_cuda_plugin_interface() { return "Other 1.0, 0123456789ab"; }
extern "C" void* sluice_cuda_plugin() { return nullptr; }
