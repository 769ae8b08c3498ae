// Of the right version, without the plug-in itself.
extern "C" const char* sluice_cuda_plugin_version() { return SLUICE_VERSION; }
