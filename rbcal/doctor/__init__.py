"""What a bug report needs: versions, devices, disk, and how each project is, without any name or image."""
