// A library that is no plug-in at all.
extern "C" int something_else() { return 1; }
