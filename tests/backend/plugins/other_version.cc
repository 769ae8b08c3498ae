// A plug-in of another Sluice.
extern "C" const char* sluice_cuda_plugin_version() { return "0.0.1"; }
extern "C" void* sluice_cuda_plugin() { return nullptr; }
