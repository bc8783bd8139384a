// Package image judges the images of "panda image" by a real container engine: that they are loaded and run, are well,
// end as they should, and have what programs need of a system. It has nothing but tests.
package image
