"""What people may ask of their own data: erasure with a certificate, export; and how long events are kept.

Station 6c of the road. Requests are asked for through `control.privacy_requests`; erasures and
retention are carried out in the pipeline's process, between two batches (`errands`).
"""
