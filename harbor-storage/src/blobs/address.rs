//! Addresses of blob stores.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use harbor_core::StoreError;
use harbor_core::blob::BlobStore;
use url::Url;

use super::{FolderBlobs, MemoryBlobs, configuration_fault};

/// A parsed address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    Folder(PathBuf),
    Memory,
    Bucket(BucketAddress),
}

/// A bucket or container of some service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BucketAddress {
    service: Service,
    name: String,
    prefix: String,
    endpoint: Option<String>,
    region: Option<String>,
    account: Option<String>,
    signed_urls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    S3,
    Azure,
    Gcs,
}

impl Service {
    fn of(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" => Some(Self::S3),
            "az" => Some(Self::Azure),
            "gs" => Some(Self::Gcs),
            _ => None,
        }
    }

    #[cfg(feature = "backup")]
    const fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "az",
            Self::Gcs => "gs",
        }
    }

    const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::S3 => &["endpoint", "region", "signed_urls"],
            Self::Azure => &["endpoint", "account", "signed_urls"],
            Self::Gcs => &["endpoint", "signed_urls"],
        }
    }
}

fn wrong(address: &str, why: impl std::fmt::Display) -> StoreError {
    // The address may hold a secret that somebody put there; its scheme is enough to find it.
    let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
    configuration_fault(&format!("the blob store ({scheme}:…)"), why.to_string())
}

impl Address {
    /// # Errors
    /// When it is none.
    pub(super) fn parse(address: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = address.split_once(':').ok_or_else(|| wrong(address, "it has no scheme"))?;
        match (scheme, rest) {
            ("memory", "") => Ok(Self::Memory),
            ("memory", _) => Err(wrong(address, "nothing may follow memory:")),
            ("file", "" | "//") => Err(wrong(address, "it names no folder")),
            ("file", path) => Ok(Self::Folder(path.strip_prefix("//").unwrap_or(path).into())),
            (scheme, _) => match Service::of(scheme) {
                Some(service) => BucketAddress::parse(address, service).map(Self::Bucket),
                None => Err(wrong(address, "the scheme must be file, memory, s3, az or gs")),
            },
        }
    }

    /// # Errors
    /// As the store's constructor.
    pub(super) async fn open(self) -> Result<Arc<dyn BlobStore>, StoreError> {
        match self {
            Self::Folder(path) => Ok(Arc::new(FolderBlobs::open(path).await?)),
            Self::Memory => Ok(Arc::new(MemoryBlobs::new())),
            Self::Bucket(bucket) => bucket.open(),
        }
    }

    /// Makes no folder.
    ///
    /// # Errors
    /// As [`Self::open_shelf`]; `NotFound` for a folder that is none.
    #[cfg(feature = "backup")]
    pub(super) async fn open_there(self) -> Result<Arc<dyn super::Shelf>, StoreError> {
        match self {
            Self::Folder(path) => Ok(Arc::new(FolderBlobs::open_there(path).await?)),
            other => other.open_shelf().await,
        }
    }

    /// The kind of store, and a hash of where it is: what says how it is reached is not part of it.
    #[cfg(feature = "backup")]
    pub(super) fn identity(&self) -> String {
        use std::os::unix::ffi::OsStrExt as _;

        use harbor_core::oci::{Algorithm, Digest};

        let (kind, place) = match self {
            Self::Folder(path) => {
                // One that is not there has no other name yet.
                let path = path.canonicalize().or_else(|_| std::path::absolute(path));
                ("folder", path.map(|path| path.as_os_str().as_bytes().to_vec()).unwrap_or_default())
            }
            Self::Memory => ("memory", Vec::new()),
            Self::Bucket(bucket) => {
                let BucketAddress { service, name, prefix, endpoint, account, .. } = bucket;
                let place = format!("{name}\n{prefix}\n{endpoint:?}\n{account:?}");
                (service.name(), place.into_bytes())
            }
        };
        format!("{kind}:{}", Digest::of(Algorithm::Sha256, &place).hex())
    }

    /// # Errors
    /// As the store's constructor; `Other` for memory.
    #[cfg(feature = "backup")]
    pub(super) async fn open_shelf(self) -> Result<Arc<dyn super::Shelf>, StoreError> {
        match self {
            Self::Folder(path) => Ok(Arc::new(FolderBlobs::open(path).await?)),
            Self::Memory => Err(wrong("memory:", "what is in memory is of one process alone")),
            #[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
            Self::Bucket(bucket) => Ok(Arc::new(bucket.objects()?)),
            #[cfg(not(any(feature = "s3", feature = "azure", feature = "gcs")))]
            Self::Bucket(bucket) => Err(bucket.not_built("s3, azure or gcs")),
        }
    }
}

impl BucketAddress {
    fn parse(address: &str, service: Service) -> Result<Self, StoreError> {
        let url = Url::parse(address).map_err(|error| wrong(address, error))?;
        let name = url.host_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| wrong(address, "it names no bucket"))?.to_owned();
        if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
            return Err(wrong(
                address,
                "only the bucket's name stands before the path; secrets come from elsewhere",
            ));
        }
        let mut parameters: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        if let Some(unknown) = parameters.keys().find(|key| !service.parameters().contains(&key.as_str())) {
            let known = service.parameters().join(", ");
            return Err(wrong(address, format!("it has no parameter {unknown}, only {known}")));
        }
        let signed_urls = match parameters.remove("signed_urls").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(wrong(address, "signed_urls is true or false")),
        };
        Ok(Self {
            service,
            name,
            prefix: url.path().trim_matches('/').to_owned(),
            endpoint: parameters.remove("endpoint"),
            region: parameters.remove("region"),
            account: parameters.remove("account"),
            signed_urls,
        })
    }

    #[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
    fn open(self) -> Result<Arc<dyn BlobStore>, StoreError> {
        Ok(Arc::new(self.objects()?))
    }

    #[cfg(not(any(feature = "s3", feature = "azure", feature = "gcs")))]
    fn open(self) -> Result<Arc<dyn BlobStore>, StoreError> {
        Err(self.not_built("s3, azure or gcs"))
    }

    #[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
    fn objects(self) -> Result<super::ObjectBlobs, StoreError> {
        match self.service {
            Service::S3 => self.s3(),
            Service::Azure => self.azure(),
            Service::Gcs => self.gcs(),
        }
    }

    #[cfg(feature = "s3")]
    fn s3(self) -> Result<super::ObjectBlobs, StoreError> {
        let mut options = super::S3Options::new(self.name);
        options.prefix = self.prefix;
        options.endpoint = self.endpoint;
        options.region = self.region;
        options.signed_urls = self.signed_urls;
        super::ObjectBlobs::s3(&options)
    }

    #[cfg(feature = "azure")]
    fn azure(self) -> Result<super::ObjectBlobs, StoreError> {
        let mut options = super::AzureOptions::new(self.name);
        options.prefix = self.prefix;
        options.endpoint = self.endpoint;
        options.account = self.account;
        options.signed_urls = self.signed_urls;
        super::ObjectBlobs::azure(&options)
    }

    #[cfg(feature = "gcs")]
    fn gcs(self) -> Result<super::ObjectBlobs, StoreError> {
        let mut options = super::GcsOptions::new(self.name);
        options.prefix = self.prefix;
        options.endpoint = self.endpoint;
        options.signed_urls = self.signed_urls;
        super::ObjectBlobs::gcs(&options)
    }

    #[cfg(all(not(feature = "s3"), any(feature = "azure", feature = "gcs")))]
    fn s3(self) -> Result<super::ObjectBlobs, StoreError> {
        Err(self.not_built("s3"))
    }

    #[cfg(all(not(feature = "azure"), any(feature = "s3", feature = "gcs")))]
    fn azure(self) -> Result<super::ObjectBlobs, StoreError> {
        Err(self.not_built("azure"))
    }

    #[cfg(all(not(feature = "gcs"), any(feature = "s3", feature = "azure")))]
    fn gcs(self) -> Result<super::ObjectBlobs, StoreError> {
        Err(self.not_built("gcs"))
    }

    #[cfg(not(all(feature = "s3", feature = "azure", feature = "gcs")))]
    fn not_built(&self, feature: &str) -> StoreError {
        configuration_fault(
            &format!("the blob store {:?}", self.name),
            format!("this program was built without the feature {feature}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        assert_eq!(Address::parse("file:./blobs").unwrap(), Address::Folder("./blobs".into()));
        assert_eq!(Address::parse("file:///var/lib/x").unwrap(), Address::Folder("/var/lib/x".into()));
        assert_eq!(Address::parse("memory:").unwrap(), Address::Memory);
        let bucket =
            Address::parse("s3://b.ucket/some/prefix/?endpoint=http%3A%2F%2Fx:9000&region=eu-1").unwrap();
        let Address::Bucket(bucket) = bucket else { panic!("{bucket:?}") };
        assert_eq!((bucket.name.as_str(), bucket.prefix.as_str()), ("b.ucket", "some/prefix"));
        assert_eq!(bucket.endpoint.as_deref(), Some("http://x:9000"));
        assert_eq!(bucket.region.as_deref(), Some("eu-1"));
        assert!(!bucket.signed_urls);
    }

    #[test]
    fn refusals_say_why_and_tell_no_secret() {
        for (address, why) in [
            ("blobs", "no scheme"),
            ("memory:x", "nothing may follow"),
            ("file:", "names no folder"),
            ("ftp://x", "scheme must be"),
            ("s3:///prefix", "names no bucket"),
            ("s3://key:hunter2@bucket", "secrets come from elsewhere"),
            ("s3://bucket?secret_key=hunter2", "no parameter secret_key, only endpoint"),
            ("gs://bucket?signed_urls=hunter2", "true or false"),
        ] {
            let text = Address::parse(address).unwrap_err().to_string();
            assert!(text.contains(why), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
