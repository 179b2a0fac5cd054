"""Components that run on the kernel; each package holds its code and its metatype descriptors."""
