// Built with this program, without the plug-in itself.
#include "backend/interface_id.h"

extern "C" const char* sluice_cuda_plugin_version() { return SLUICE_VERSION; }
extern "C" const char* sluice_cuda_plugin_interface() { return sluice::backend::interface_id(); }
